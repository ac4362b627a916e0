"""Single frames of ITOP with 3D truth, as sequences of one frame.

Frames of AVAuco/ddp: 100 x 100 pixels, from the maps of 320 x 240 pixels (side view:
columns 41 to 280, nearest pixels). They are 38 rows of the test set apart, so no frame
has a neighbour in time.
"""

import dataclasses
import pathlib

import numpy as np

from data_pipelines.sequences import arrays, sequence
from unipose_jax import errors
from unipose_jax.geometry import camera

SKELETON = "ITOP15"
SIDE = pathlib.Path("itop", "side_test_frames_dev.npz")
TOP = pathlib.Path("itop", "top_test_frames_dev.npz")
# Pixels of the original maps of 320 x 240 by pixels of these frames.
SCALE = 2.4
FOCAL = 1 / 0.0035 / SCALE  # pixels of these frames
CENTER = 120.5 / SCALE
_Y_DOWN = np.float32([1, -1, 1])


@dataclasses.dataclass(frozen=True, eq=False)
class Frames:
    """Frames with truth; the arrays have one row per frame."""

    depth: np.ndarray  # float32 (frames, height, width), metres, 0 where missing
    xyz: np.ndarray  # float32 (frames, 15, 3), metres, camera frame, y down
    intrinsics: np.ndarray  # (4,): fx, fy, cx, cy, pixels

    def __len__(self) -> int:
        return len(self.depth)

    def keypoints(self, *, noise: float, seed: int) -> np.ndarray:
        """True projections with Gaussian noise: (frames, 15, 3), u, v and confidence 1.

        Args:
            noise: standard deviation, pixels of the original maps of 320 x 240.
            seed: of the noise.
        """
        uv = camera.uv_from_xyz(self.xyz, self.intrinsics.astype(np.float32))
        rng = np.random.default_rng(seed)
        uv = uv + noise / SCALE * rng.standard_normal(uv.shape)
        return np.concatenate([uv, np.ones_like(uv[..., :1])], axis=-1).astype(
            np.float32
        )

    def sequences(self, keypoints: np.ndarray | None = None) -> list[sequence.Sequence]:
        """Each frame as a sequence of its own, without its truth.

        Args:
            keypoints: (frames, 15, 3); None for sequences without keypoints.
        """
        return [
            arrays.from_arrays(
                f"frame-{row:03d}",
                depth=self.depth[row : row + 1],
                intrinsics=self.intrinsics,
                time=np.zeros(1),
                keypoints=None if keypoints is None else keypoints[row : row + 1],
                skeleton=SKELETON,
            )
            for row in range(len(self))
        ]


def side_frames(data: pathlib.Path) -> Frames:
    """The 62 development frames of the side view.

    Args:
        data: folder of the sample data.

    Raises:
        errors.BadInput: there is no such file.
    """
    with _open(data / SIDE) as file:
        return Frames(
            depth=file["depth_mm"].astype(np.float32) * np.float32(1e-3),
            xyz=file["xyz_m_y_up"].astype(np.float32) * _Y_DOWN,
            intrinsics=file["intrinsics"],
        )


def top_frames(data: pathlib.Path) -> Frames:
    """The 64 development frames of the top view; joints are relative to the root.

    The file has depth divided by its largest value in each frame. That value is the
    only one between 2 and 4 m for which all depths are multiples of the spacing of
    ITOP's 16-bit floats. The frames are cut from the maps as those of the side view.

    Args:
        data: folder of the sample data.

    Raises:
        errors.BadInput: there is no such file.
    """
    with _open(data / TOP) as file:
        scaled, joints = file["depth_scaled"], file["joints_centred"]
    largest = np.array([largest_depth(one) for one in scaled], np.float32)
    return Frames(
        depth=scaled * largest[:, None, None],
        xyz=joints.astype(np.float32) * _Y_DOWN,
        intrinsics=np.array([FOCAL, FOCAL, CENTER, CENTER]),
    )


def _open(path: pathlib.Path):
    """A file of arrays, without pickle."""
    if not path.is_file():
        raise errors.BadInput(f"no {path}")
    return np.load(path, allow_pickle=False)


def largest_depth(scaled: np.ndarray) -> float:
    """Largest depth of a frame in metres, from its depths by the largest one.

    Args:
        scaled: depths of 16-bit floats in metres, divided by the largest of them.
    """
    levels = np.unique(scaled[scaled > 0]).astype(np.float64)
    candidates = np.arange(1024, 2048) / 512.0  # the 16-bit floats from 2 to 4 m
    depth = candidates[:, None] * levels
    # In half precision, the spacing from 2 to 4 is 2 / 1024, and half below each 2^n.
    spacing = 2.0 ** (np.floor(np.log2(depth)) - 10)
    away = np.abs(depth / spacing - np.round(depth / spacing)).mean(axis=1)
    return float(candidates[away.argmin()])


def folds(count: int, number: int) -> list[np.ndarray]:
    """Positions of each fold: contiguous blocks, so that people are kept together.

    Args:
        count: of the frames.
        number: of the folds.

    Raises:
        errors.BadInput: there are fewer frames than folds, or fewer than two folds.
    """
    if not 2 <= number <= count:
        raise errors.BadInput(f"{count} frames cannot be divided into {number} folds")
    return np.array_split(np.arange(count), number)
