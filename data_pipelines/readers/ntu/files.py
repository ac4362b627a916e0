"""The files of NTU RGB+D 60 as they are unpacked, and the pictures in them.

    nturgb+d_skeletons/S001C001P001R001A001.skeleton
    nturgb+d_depth_masked/S001C001P001R001A001/MDepth-00000001.png
    nturgb+d_rgb/S001C001P001R001A001_rgb.avi

They may lie in other folders, or in one. A name tells setup, camera, person, repetition
and action; those of NTU RGB+D 120, whose setups go on from 18, are passed over.
"""

import dataclasses
import functools
import os
import pathlib
import re
import threading
from collections.abc import Collection, Mapping

import cv2
import numpy as np

from data_pipelines.ground import file_io
from unipose_jax import errors

DEPTH_SIZE, COLOR_SIZE = (512, 424), (1920, 1080)  # pixels
NUM_CLIPS = 56_880  # with those that have no skeleton

_CLIP = re.compile(r"S0(?:0[1-9]|1[0-7])C\d{3}P\d{3}R\d{3}A\d{3}")
_SKELETON, _VIDEO = ".skeleton", "_rgb.avi"
_MAX_LISTED = 5


@dataclasses.dataclass(frozen=True)
class Files:
    """What a folder holds, by name of the clip."""

    skeletons: Mapping[str, pathlib.Path]
    depth: Mapping[str, pathlib.Path]  # folders
    videos: Mapping[str, pathlib.Path]
    unusable: frozenset[str]  # on the data set's list of missing skeletons


def find(source: pathlib.Path) -> Files:
    """Looks for clips in a folder and all below it.

    Raises:
        errors.BadInput: there is no skeleton, or one without its depth, or depth
            without its skeleton, but for clips on the list of missing skeletons.
    """
    named: dict[str, dict[str, pathlib.Path]] = {_SKELETON: {}, _VIDEO: {}}
    depth: dict[str, pathlib.Path] = {}
    unusable: set[str] = set()
    for folder, folders, names in os.walk(source, followlinks=True):
        here = pathlib.Path(folder)
        for name in names:
            match = _CLIP.match(name)
            if match and name[match.end() :] in named:
                named[name[match.end() :]][match.group()] = here / name
            elif name.endswith("missing_skeletons.txt"):
                text = (here / name).read_text(errors="replace")
                unusable |= {match.group() for match in _CLIP.finditer(text)}
        clips = {name for name in folders if _CLIP.fullmatch(name)}
        # Folders of unmasked depth have these names, too, but files named Depth-.
        masked = [name for name in clips if depth_path(here / name, 1).is_file()]
        depth |= {name: here / name for name in masked}
        folders[:] = sorted(set(folders) - clips)
    found = Files(named[_SKELETON], depth, named[_VIDEO], frozenset(unusable))
    _check_pairs(found, source)
    return found


def format_names(names: Collection[str]) -> str:
    """The first few names, and how many there are besides."""
    rest = len(names) - _MAX_LISTED
    return ", ".join(sorted(names)[:_MAX_LISTED]) + (
        f" and {rest} more" if rest > 0 else ""
    )


def depth_path(folder: pathlib.Path, frame: int) -> pathlib.Path:
    """Where the masked depth of a frame is; the first is 1."""
    return folder / f"MDepth-{frame:08d}.png"


def read_depth(path: pathlib.Path) -> np.ndarray:
    """Masked depth: float32 (424, 512), metres, 0 where there is nobody.

    Raises:
        errors.BadInput: there is no such picture.
    """
    header = file_io.read_png_header(path)
    if header != (*DEPTH_SIZE, 16, 0):
        raise errors.BadInput(f"{path} is no 16-bit grey PNG of 512x424 pixels")
    counts = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if counts is None:
        raise errors.BadInput(f"{path} cannot be decoded")
    return counts.astype(np.float32) * np.float32(0.001)


def read_color(path: pathlib.Path, frame: int) -> np.ndarray:
    """A frame of a video, the first is 1: uint8 RGB (1080, 1920, 3).

    Raises:
        errors.BadInput: the video has no such frame.
    """
    # A process that is forked shares open files with its parent: it opens its own.
    return _open_video(path, os.getpid()).frame(frame)


def _check_pairs(found: Files, source: pathlib.Path) -> None:
    if not found.skeletons:
        raise errors.BadInput(f"no .skeleton files of NTU RGB+D 60 in {source}")
    missing = {
        "masked depth (MDepth-00000001.png)": found.skeletons.keys() - found.depth,
        ".skeleton file": found.depth.keys() - found.skeletons,
    }
    lines = [
        f"no {what} of {format_names(names - found.unusable)}"
        for what, names in missing.items()
        if names - found.unusable
    ]
    if lines:
        raise errors.BadInput(f"{source} is incomplete: {'; '.join(lines)}")


class _Video:
    """An avi, decoded in order as far as can be: seeking would start from its front."""

    def __init__(self, path: pathlib.Path):
        self._path, self._lock = path, threading.Lock()
        self._rewind()

    def frame(self, number: int) -> np.ndarray:
        with self._lock:
            if number < self._position:
                self._rewind()
            while self._position < number:
                if not self._capture.grab():
                    last = self._position
                    self._rewind()
                    raise errors.BadInput(
                        f"{self._path} has no frame {number}: it cannot be decoded"
                        f" beyond frame {last}"
                    )
                self._position += 1
            image = self._capture.retrieve()[1]
        if image is None or image.shape[1::-1] != COLOR_SIZE:
            raise errors.BadInput(f"{self._path} is no video of 1920x1080 pixels")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _rewind(self) -> None:
        self._capture, self._position = cv2.VideoCapture(str(self._path)), 0


@functools.lru_cache(maxsize=2)
def _open_video(path: pathlib.Path, process: int) -> _Video:
    return _Video(path)
