"""Files of NTU RGB+D 60: paths after unpacking, and reading of images.

    nturgb+d_skeletons/S001C001P001R001A001.skeleton
    nturgb+d_depth_masked/S001C001P001R001A001/MDepth-00000001.png
    nturgb+d_rgb/S001C001P001R001A001_rgb.avi

Other folder names, or one common folder, also work. A name encodes setup, camera,
person, repetition and action. Files of NTU RGB+D 120 (setups from 18) are ignored.
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
NUM_CLIPS = 56_880  # including clips without a skeleton

_CLIP = re.compile(r"S0(?:0[1-9]|1[0-7])C\d{3}P\d{3}R\d{3}A\d{3}")
_SKELETON, _VIDEO = ".skeleton", "_rgb.avi"
_MAX_LISTED = 5


@dataclasses.dataclass(frozen=True)
class Files:
    """Files in a folder, by name of the clip."""

    skeletons: Mapping[str, pathlib.Path]
    depth: Mapping[str, pathlib.Path]  # folders
    videos: Mapping[str, pathlib.Path]
    unusable: frozenset[str]  # names on the data set's list of missing skeletons


def find(source: pathlib.Path) -> Files:
    """Finds clips in a folder and its subfolders.

    Raises:
        errors.BadInput: there are no skeletons, or a clip has a skeleton without depth
            or depth without a skeleton and is not on the list of missing skeletons.
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
        # Folders of unmasked depth have the same names; their files start with Depth-.
        masked = [name for name in clips if depth_path(here / name, 1).is_file()]
        depth |= {name: here / name for name in masked}
        folders[:] = sorted(set(folders) - clips)
    found = Files(named[_SKELETON], depth, named[_VIDEO], frozenset(unusable))
    _check_pairs(found, source)
    return found


def format_names(names: Collection[str]) -> str:
    """Lists the first few names and the number of the others."""
    rest = len(names) - _MAX_LISTED
    return ", ".join(sorted(names)[:_MAX_LISTED]) + (
        f" and {rest} more" if rest > 0 else ""
    )


def depth_path(folder: pathlib.Path, frame: int) -> pathlib.Path:
    """Path of the masked depth of a frame; the first frame is 1."""
    return folder / f"MDepth-{frame:08d}.png"


def read_depth(path: pathlib.Path) -> np.ndarray:
    """Reads masked depth: float32 (424, 512), metres, 0 outside people.

    Raises:
        errors.BadInput: the image cannot be read.
    """
    header = file_io.read_png_header(path)
    if header != (*DEPTH_SIZE, 16, 0):
        raise errors.BadInput(f"{path} is not a 16-bit grey PNG of 512x424 pixels")
    counts = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if counts is None:
        raise errors.BadInput(f"{path} cannot be decoded")
    return counts.astype(np.float32) * np.float32(0.001)


def read_color(path: pathlib.Path, frame: int) -> np.ndarray:
    """Reads a frame of a video, the first is 1: uint8 RGB (1080, 1920, 3).

    Raises:
        errors.BadInput: the video has no such frame.
    """
    # A forked process shares open files with its parent, so it opens its own.
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
    """A video, decoded sequentially, because seeking decodes from the start."""

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
            raise errors.BadInput(f"{self._path} is not a video of 1920x1080 pixels")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _rewind(self) -> None:
        self._capture, self._position = cv2.VideoCapture(str(self._path)), 0


@functools.lru_cache(maxsize=2)
def _open_video(path: pathlib.Path, process: int) -> _Video:
    return _Video(path)
