"""Why no person was found in a recording, from what its depth maps contain."""

import numpy as np

from data_pipelines.segmentation import person_candidates, segmenter
from data_pipelines.sequences import sequence
from unipose_jax import errors

_FRAMES = 5  # looked at, spread over the recording
_NEAR, _FAR = 0.4, 8.0  # metres, usual range of depth of a person
_LIMIT = 25.0  # metres, beyond the range of depth cameras
_MOSTLY = 0.7  # a share that counts as most of the pixels
_SMALL = 0.5  # metres; a lower body is no person


def explain(source: sequence.Sequence) -> str:
    """Likely cause, and measured values, for the end of an error message.

    Args:
        source: any sequence in which no person was found.

    Returns:
        For example "depth is from 0.12 to 0.61 m, is depth_unit right? 3 % of the
        pixels have no depth; ...".
    """
    low, high, missing, planes, height = _measured(source)
    if not np.isfinite(low):
        return "the frames have no depth"
    where = f"depth is from {low:.2f} to {high:.2f} m"
    parts = [
        f"{missing:.0%} of the pixels have no depth",
        f"floor and walls are {planes:.0%} of the others",
        f"the largest body left is {height:.2f} m high"
        if height
        else "nothing is left that could be a body",
    ]
    if high < _NEAR or low > _FAR:
        return f"{where}: is depth_unit right? {'; '.join(parts)}"
    if high > _LIMIT:
        return f"{where}: is this value no depth ('invalid')? {'; '.join(parts)}"
    if missing > _MOSTLY:
        return f"{parts[0]}: is the sensor too near, or 'invalid' wrong? {where}"
    if height > person_candidates.STATURE or 0 < height < _SMALL:
        return f"{parts[2]}: are depth_unit and fx, fy right? {where}; {parts[0]}"
    if planes > _MOSTLY and not height:
        return f"{parts[1]}, {parts[2]}: is the person in the picture? {where}"
    return f"{where}; {'; '.join(parts)}"


def _measured(source: sequence.Sequence) -> tuple[float, float, float, float, float]:
    """Depth range, shares without depth and in planes, height of the largest body.

    Metres; medians over a few frames; the range is NaN if no frame has depth.
    """
    segment = segmenter.Segmenter(source.rays, source.depth_camera.intrinsics)
    rows = []
    for index in np.unique(np.linspace(0, len(source) - 1, _FRAMES).astype(int)):
        try:
            depth = source.depth(int(index))
        except errors.BadInput:
            continue
        if depth is None or not (depth > 0).any():
            continue
        known = depth > 0
        view = segment.analyze(depth)
        grid_known = view.grid.z > 0
        planes = 1.0 - (view.labels > 0).sum() / max(grid_known.sum(), 1)
        heights = [
            float(np.ptp(view.grid.xyz[..., 1][view.labels == label]))
            for label in range(1, view.labels.max() + 1)
        ]
        low, high = np.quantile(depth[known], [0.01, 0.99])
        rows.append((low, high, 1.0 - known.mean(), planes, max(heights, default=0.0)))
    if not rows:
        return np.nan, np.nan, 1.0, 0.0, 0.0
    low, high, missing, planes, height = np.median(rows, axis=0).tolist()
    return low, high, missing, planes, height
