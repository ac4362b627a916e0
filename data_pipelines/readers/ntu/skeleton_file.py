"""NTU RGB+D's .skeleton files, and cameras fitted to them.

The files give each joint in metres and in pixels of both cameras. The cameras are
fitted to these, because no calibration is published. Kinect v2 projects to depth pixels
with a pinhole and radial distortion, which the fit recovers to the precision of the
file (1e-4 px). It projects to colour pixels with a cubic polynomial, which a rigid
camera with small distortion approximates to 0.01 px.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from scipy import optimize

from data_pipelines.cameras import calibration
from data_pipelines.readers.ntu import files
from unipose_jax import errors
from unipose_jax import skeleton as skeletons
from unipose_jax.geometry import camera as pinhole

# Kinect has pixel centres at integers: the samples of its SDK round DepthSpacePoint and
# ColorSpacePoint to the nearest index.
_PIXEL_CENTER = 0.5
# Kinect mirrors its images, and y is up. With y flipped, a joint that the file calls
# left is a right joint in the image, so left and right names are exchanged.
_AXES = np.array([1.0, -1.0, 1.0])
_MIRRORED_ORDER = np.array(skeletons.NTU25.mirror)

_BODY_WORDS = 10  # words before the number of joints; the first is the body's id
_JOINTS, _JOINT_WORDS = skeletons.NTU25.num_joints, 12
_MAX_METRES = 100.0
_MIN_JOINTS = 100  # four frames of a whole body
_JOINTS_PER_BODY, _MAX_JOINTS = 200, 5_000  # largest numbers for the fit, at even steps
_NOISE = 0.01  # pixels, error of the colour model against the polynomial

# Prior mean and spread of the fitted parameters, from the Kinects in the sample files.
# The spread is wide, so the prior matters only for what the joints do not determine.
_DEPTH = {
    "f": (365.3, 3.0),
    "cx": (258.5, 5.0),
    "cy": (208.5, 5.0),
    "k1": (0.092, 0.02),
    "k2": (-0.266, 0.05),
    "k3": (0.089, 0.05),
}
_COLOR = {
    "fx": (1059.0, 10.0),
    "fy": (1059.0, 10.0),
    "cx": (960.5, 30.0),
    "cy": (550.5, 30.0),
    "k1": (0.02, 0.02),
    "p1": (0.0, 0.003),
    "p2": (-0.0016, 0.003),
    "rx": (0.0, 0.01),
    "ry": (0.0, 0.01),
    "rz": (0.0, 0.01),
    "tx": (0.053, 0.03),
    "ty": (0.0, 0.003),
    "tz": (0.0, 0.003),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Body:
    """One tracked body, in the frames that include it."""

    frames: np.ndarray  # int (frames,), ascending; clips start at 1
    xyz: np.ndarray  # float32 (frames, 25, 3), metres, depth-camera frame
    uv_depth: np.ndarray  # float32 (frames, 25, 2), pixels of the depth image
    uv_color: np.ndarray  # float32 (frames, 25, 2), not finite where missing
    confidence: np.ndarray  # float32 (frames, 25): 1 tracked, 0.5 inferred, 0 else


@dataclasses.dataclass(frozen=True, eq=False)
class KinectCalibration:
    """Fitted cameras of one Kinect, and their reprojection errors."""

    depth: calibration.Camera
    color: calibration.Camera
    color_from_depth: np.ndarray  # float32 (4, 4), metres
    depth_rms: float  # pixels; NaN if there were too few joints to fit
    color_rms: float


def read(path: pathlib.Path) -> tuple[Body, ...]:
    """Reads the bodies in a .skeleton file, in order of first appearance.

    Raises:
        errors.BadInput: the file cannot be read, or has no bodies or invalid joints.
    """
    try:
        words = path.read_text("ascii").split()
        values = np.array(words, np.float64)
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise errors.BadInput(f"{path} is not a .skeleton file: {error}") from error
    found: dict[str, list[tuple[int, np.ndarray]]] = {}
    for frame, body, joints in _iterate_bodies(words, values, path):
        if not (np.abs(joints[:, :3]) < _MAX_METRES).all():
            raise errors.BadInput(
                f"{path}: frame {frame} has a joint that is not within"
                f" {_MAX_METRES:g} m"
            )
        found.setdefault(body, []).append((frame, joints))
    if not found:
        raise errors.BadInput(f"{path} has 0 bodies")
    return tuple(_body(seen) for seen in found.values())


def fit_cameras(bodies: Sequence[np.ndarray]) -> KinectCalibration:
    """Fits the cameras of one Kinect by robust least squares.

    Args:
        bodies: `point_correspondences` of each body recorded with it.

    Returns:
        The cameras; those of a typical Kinect v2 if there are fewer than 100 joints.
    """
    rows = _subsample(np.concatenate([np.zeros((0, 7)), *bodies]), _MAX_JOINTS)
    if len(rows) < _MIN_JOINTS:
        rows = rows[:0]
    xyz, uv_depth, uv_color = rows[:, :3], rows[:, 3:5], rows[:, 5:]
    depth, depth_rms = _fit(_project_depth, _DEPTH, xyz, uv_depth)
    color, color_rms = _fit(_project_color, _COLOR, xyz, uv_color)
    f, cx, cy, k1, k2, k3 = depth
    return KinectCalibration(
        depth=calibration.make_camera(
            *files.DEPTH_SIZE, (f, f, cx, cy), (k1, k2, 0, 0, k3)
        ),
        color=calibration.make_camera(
            *files.COLOR_SIZE, color[:4], _color_distortion(color)
        ),
        color_from_depth=_color_from_depth(color).astype(np.float32),
        depth_rms=depth_rms,
        color_rms=color_rms,
    )


def point_correspondences(body: Body) -> np.ndarray:
    """Tracked joints as x, y, z, depth u, v and colour u, v: (joints, 7)."""
    rows = np.concatenate([body.xyz, body.uv_depth, body.uv_color], axis=-1)
    rows = rows[(body.confidence == 1.0) & (body.xyz[..., 2] > 0.1)]
    return _subsample(rows[np.isfinite(rows).all(axis=-1)], _JOINTS_PER_BODY)


def _iterate_bodies(
    words: Sequence[str], values: np.ndarray, path: pathlib.Path
) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yields (frame, body id, (25, 12) joint values) of all bodies in all frames.

    The id is a string, because it has more digits than a float can represent.
    """
    frame, place = 0, 1
    try:
        for frame in range(1, int(words[0]) + 1):
            bodies, place = int(words[place]), place + 1
            for _ in range(bodies):
                first = place + _BODY_WORDS + 1
                if int(words[first - 1]) != _JOINTS:
                    raise ValueError
                stop = first + _JOINTS * _JOINT_WORDS
                yield frame, words[place], values[first:stop].reshape(_JOINTS, -1)
                place = stop
    except (IndexError, ValueError) as error:
        count = words[0] if words else 0
        raise errors.BadInput(f"{path} ends in frame {frame} of {count}") from error


def _body(seen: Sequence[tuple[int, np.ndarray]]) -> Body:
    joints = np.stack([values[_MIRRORED_ORDER] for _, values in seen])
    state = joints[..., 11]
    return Body(
        frames=np.array([frame for frame, _ in seen]),
        xyz=(joints[..., :3] * _AXES).astype(np.float32),
        uv_depth=(joints[..., 3:5] + _PIXEL_CENTER).astype(np.float32),
        uv_color=(joints[..., 5:7] + _PIXEL_CENTER).astype(np.float32),
        confidence=np.select([state == 2, state == 1], [1.0, 0.5]).astype(np.float32),
    )


def _subsample(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` rows, at even steps."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)]


def _fit(
    project: Callable[[np.ndarray, np.ndarray], np.ndarray],
    known: dict[str, tuple[float, float]],
    xyz: np.ndarray,
    uv: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Fits `project(parameters, xyz)` to `uv`; returns parameters and RMS, pixels.

    The pseudo-Huber penalty (scipy's "soft_l1") limits the influence of outliers.
    """
    typical, spread = np.array(list(known.values())).T
    if not len(xyz):
        return typical, float("nan")

    def error(offset: np.ndarray) -> np.ndarray:
        return project(typical + spread * offset, xyz) - uv

    fitted = optimize.least_squares(
        lambda offset: np.concatenate([error(offset).ravel() / _NOISE, offset]),
        np.zeros(len(typical)),
        loss="soft_l1",
    )
    rms = np.sqrt((error(fitted.x) ** 2).sum(axis=-1).mean())
    return typical + spread * fitted.x, float(rms)


def _project_depth(parameters: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    f, cx, cy, k1, k2, k3 = parameters
    distortion = np.array([k1, k2, 0.0, 0.0, k3])
    return pinhole.distort(xyz[:, :2] / xyz[:, 2:], distortion) * f + [cx, cy]


def _project_color(parameters: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    color_from_depth = _color_from_depth(parameters)
    xyz = xyz @ color_from_depth[:3, :3].T + color_from_depth[:3, 3]
    xy = pinhole.distort(xyz[:, :2] / xyz[:, 2:], _color_distortion(parameters))
    return xy * parameters[:2] + parameters[2:4]


def _color_distortion(parameters: np.ndarray) -> np.ndarray:
    k1, p1, p2 = parameters[4:7]
    return np.array([k1, 0.0, p1, p2, 0.0])


def _color_from_depth(parameters: np.ndarray) -> np.ndarray:
    """4x4 transform from a rotation vector (radians) and a translation (metres)."""
    transform = np.eye(4)
    transform[:3, :3] = cv2.Rodrigues(parameters[7:10])[0]
    transform[:3, 3] = parameters[10:]
    return transform
