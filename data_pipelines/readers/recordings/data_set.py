"""Recording folders as a data set, divided into splits."""

import pathlib
from typing import Any

from data_pipelines.ground import file_io, settings
from data_pipelines.readers.recordings import mounting_check, recording
from data_pipelines.sequences import sequence
from unipose_jax import errors

_IMAGES = (".png", ".jpg", ".jpeg")

# Without folders train, validation and test, each recording is divided in time.
_SPLIT_SHARES = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}


def open_data_set(
    source: pathlib.Path, data: settings.DataSettings
) -> sequence.DataSet:
    """Opens all recordings at `source`, by split.

    `source` is a recording, a folder of recordings, or a folder with the folders train,
    validation and test. Without these three folders, the first 80 % of every recording
    are the training split, the next 10 % validation and the last 10 % test.

    Raises:
        errors.BadInput: there is no recording, a recording is invalid, or
            `config.data.keypoints` is set.
    """
    if data.keypoints:
        raise errors.BadInput(
            f"config.data.keypoints is {data.keypoints}, but recordings have a "
            "keypoints.json of their own"
        )
    skipped: list[str] = []
    folders = [source]
    if (source / "train").is_dir():
        folders = [source / split for split in _SPLIT_SHARES]
        protocol = "Test split: the recordings in the folder test."
        opened = {
            split: _open_all(source / split, source, skipped, data.skip_corrupt)
            for split in _SPLIT_SHARES
        }
    else:
        protocol = "Test split: the last tenth of every recording."
        whole = _open_all(source, source, skipped, data.skip_corrupt)
        opened = {
            split: [part for r in whole if len(part := _time_part(r, *share))]
            for split, share in _SPLIT_SHARES.items()
        }
    return sequence.DataSet(
        name="recording",
        sequences=opened,
        protocol=protocol,
        skipped=skipped,
        source_settings={
            str(path.relative_to(source)): _fingerprint(path)
            for folder in folders
            for path in find_recordings(folder)
        },
    )


def find_recordings(path: pathlib.Path) -> list[pathlib.Path]:
    """Finds the recording at `path`, or all recordings in that folder, sorted.

    Raises:
        errors.BadInput: there is no recording.
    """
    found = sorted(file.parent for file in path.rglob("camera.json"))
    if not found:
        raise errors.BadInput(f"no recording (a folder with camera.json) at {path}")
    return found


def _fingerprint(path: pathlib.Path) -> dict[str, Any]:
    """Fingerprint of a recording: digests of its text files and sizes of its images."""
    texts = [path / name for name in ("camera.json", "keypoints.json", "joints.npz")]
    texts += sorted((path / "keypoints").glob("*.json"))
    texts += sorted((path / "keypoints").glob("*.txt"))
    return {
        "digest": file_io.digest(text for text in texts if text.is_file()),
        "images": {
            kind: sorted(
                (image.name, image.stat().st_size)
                for image in (path / kind).iterdir()
                if image.suffix in _IMAGES
            )
            for kind in ("depth", "color", "mask")
            if (path / kind).is_dir()
        },
    }


def _open_all(
    folder: pathlib.Path,
    root: pathlib.Path,
    skipped: list[str],
    skip_corrupt: bool,
) -> list[sequence.Sequence]:
    """Opens the recordings in a folder; names are paths relative to the root."""
    opened: list[sequence.Sequence] = []
    for path in find_recordings(folder):
        parts = path.relative_to(root).parts or (path.resolve().name,)
        try:
            found = recording.open_recording(
                path, name="-".join(parts), skip_corrupt=skip_corrupt
            )
            mounting_check.warn_if_turned(found)
            opened.append(found)
        except errors.BadInput as error:
            if not skip_corrupt:
                raise
            skipped.append(str(error))
    return opened


def _time_part(
    whole: sequence.Sequence, start: float, stop: float
) -> sequence.SubSequence:
    """Subsequence between two fractions of a sequence's length."""
    first, last = (int(share * len(whole)) for share in (start, stop))
    return sequence.SubSequence.of(whole, first, last)
