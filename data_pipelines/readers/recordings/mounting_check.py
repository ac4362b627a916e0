"""Warns if a camera seems to be turned and camera.json has no matching `up`."""

import numpy as np

from data_pipelines.readers.recordings import recording
from data_pipelines.segmentation import mounting
from unipose_jax import errors

_SAMPLES = 4  # frames that are looked at


def warn_if_turned(opened: recording.Recording) -> None:
    """Prints one line if the floor lies on another side than below.

    No frame is read if camera.json has "up": "top".
    """
    if opened.file.up_is_top:
        return
    chosen = np.unique(np.linspace(0, len(opened) - 1, _SAMPLES).astype(int))
    frames = []
    for index in chosen.tolist():
        try:
            frames.append(opened.depth(index))
        except errors.BadInput:
            continue  # reported when the frame is used
    up = mounting.suspected_up(frames, opened.depth_camera)
    if up is None:
        return
    right = opened.orientation.turned_on(up).up
    where = opened.path / "camera.json"
    if opened.orientation.up != "top":
        errors.warn(
            f'{where}: with "up": "{opened.orientation.up}" the floor is not '
            f'below; is it "up": "{right}"?'
        )
        return
    errors.warn(
        f"{where}: the floor is not below; the camera seems to be turned: add "
        f'"up": "{right}", or "up": "top" if it is not'
    )
