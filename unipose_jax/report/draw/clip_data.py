"""The data of one clip that reports can draw, as plain arrays."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int, Num, UInt8

from unipose_jax.report.draw import views


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
    """A pose sequence and whatever else is known about it.

    Images are without lens distortion. All that is optional may be absent; a joint or
    point that is NaN is not drawn.

    Attributes:
        name: for headings, and for file names once cleaned.
        skeleton: name of the joints' skeleton.
        xyz: predicted joints, metres, depth-camera frame.
        confidence: of the joints, in [0, 1].
        visible: whether the camera sees the joint.
        truth: true joints, metres, depth-camera frame; None where all are NaN.
        points: clouds, metres, depth-camera frame.
        time: of the frames, seconds.
        numbers: of the frames in the recording; 0, 1, ... where absent.
        depth: depth maps, metres; 0 where there is none.
        intrinsics: (fx, fy, cx, cy) of the depth camera, pixels.
        color: images of the colour camera, or registered to the depth camera.
        color_intrinsics: of the colour camera, pixels; `intrinsics` where absent.
        color_from_depth: rigid transform between the cameras; identity where absent.
        keypoints: detected 2D keypoints, pixels of the colour camera, which is the
            depth camera where neither of the last two is given.
        keypoint_confidence: in [0, 1]; 0 where there is no keypoint.
    """

    name: str
    skeleton: str
    xyz: Float[np.ndarray, "frames joints 3"]
    confidence: Float[np.ndarray, "frames joints"] | None = None
    visible: Bool[np.ndarray, "frames joints"] | None = None
    truth: Float[np.ndarray, "frames joints 3"] | None = None
    points: Float[np.ndarray, "frames points 3"] | None = None
    time: Float[np.ndarray, " frames"] | None = None
    numbers: Int[np.ndarray, " frames"] | None = None
    depth: Float[np.ndarray, "frames height width"] | None = None
    intrinsics: Float[np.ndarray, "4"] | None = None
    color: UInt8[np.ndarray, "frames color_height color_width 3"] | None = None
    color_intrinsics: Float[np.ndarray, "4"] | None = None
    color_from_depth: Float[np.ndarray, "4 4"] | None = None
    keypoints: Float[np.ndarray, "frames joints 2"] | None = None
    keypoint_confidence: Float[np.ndarray, "frames joints"] | None = None

    def __post_init__(self) -> None:
        if self.truth is not None and not np.isfinite(self.truth).any():
            object.__setattr__(self, "truth", None)
        if self.depth is not None and self.intrinsics is None:
            raise ValueError(f"clip {self.name!r} has depth maps but no intrinsics")
        if self._color_camera is None and not (self.color is self.keypoints is None):
            raise ValueError(f"clip {self.name!r} has pixels but no intrinsics")

    @property
    def num_frames(self) -> int:
        return len(self.xyz)

    def number(self, index: int) -> int:
        """The number of a frame in the recording."""
        return index if self.numbers is None else int(self.numbers[index])

    def truth_at(self, index: int) -> Float[np.ndarray, "joints 3"] | None:
        """The true joints of a frame; None where all are NaN."""
        truth = None if self.truth is None else self.truth[index]
        return truth if truth is not None and np.isfinite(truth).any() else None

    @property
    def _color_camera(self) -> Float[np.ndarray, "4"] | None:
        return (
            self.intrinsics if self.color_intrinsics is None else self.color_intrinsics
        )

    @property
    def image_kinds(self) -> tuple[str, ...]:
        """Which images the clip has: "depth", "color", both or none."""
        have = {"depth": self.depth is not None, "color": self.color is not None}
        return tuple(kind for kind, there in have.items() if there)

    def images(self, kind: str) -> Num[np.ndarray, "frames height width *rgb"]:
        """The depth maps or colour images."""
        images = {"depth": self.depth, "color": self.color}.get(kind)
        if images is None:
            raise ValueError(f"clip {self.name!r} has {self.image_kinds}, not {kind!r}")
        return images

    def project(
        self, xyz: Float[np.ndarray, "*batch 3"], kind: str
    ) -> Float[np.ndarray, "*batch 2"]:
        """Pixels of the images of one kind where points appear.

        Args:
            xyz: metres, depth-camera frame.
            kind: "depth" or "color".
        """
        camera = self._color_camera if kind == "color" else self.intrinsics
        assert camera is not None
        if kind == "color" and self.color_from_depth is not None:
            xyz = xyz @ self.color_from_depth[:3, :3].T + self.color_from_depth[:3, 3]
        return views.uv_from_xyz(xyz, camera)

    def keypoints_on(self, kind: str) -> Float[np.ndarray, "frames joints 2"] | None:
        """The detected keypoints, if they are pixels of the images of this kind."""
        one_camera = self.color_intrinsics is None and self.color_from_depth is None
        return self.keypoints if kind == "color" or one_camera else None

    def rays(
        self, index: int
    ) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "joints 3"]]:
        """The rays of one frame's keypoints, in the depth camera's frame.

        Returns:
            Centre of the colour camera, metres, and unit directions; NaN where there is
            no keypoint.
        """
        assert self.keypoints is not None
        assert self._color_camera is not None
        uv = self.keypoints[index].astype(np.float64)
        if self.keypoint_confidence is not None:
            uv = np.where(self.keypoint_confidence[index, :, None] > 0.0, uv, np.nan)
        slope = (uv - self._color_camera[2:]) / self._color_camera[:2]
        dirs = np.concatenate([slope, np.ones_like(slope[:, :1])], axis=-1)
        dirs /= np.linalg.norm(dirs, axis=-1, keepdims=True)
        if self.color_from_depth is None:
            return np.zeros(3), dirs
        turn, shift = self.color_from_depth[:3, :3], self.color_from_depth[:3, 3]
        return -shift.astype(np.float64) @ turn, dirs @ turn

    def frames(self, chosen: np.ndarray) -> "Clip":
        """The clip with some of its frames only.

        Args:
            chosen: indices of frames, or a mask.
        """
        whole = {
            "name",
            "skeleton",
            "intrinsics",
            "color_intrinsics",
            "color_from_depth",
        }
        parts = {
            field.name: getattr(self, field.name)[chosen]
            for field in dataclasses.fields(self)
            if field.name not in whole and getattr(self, field.name) is not None
        }
        return dataclasses.replace(self, **parts)

    def thinned(self, count: int) -> "Clip":
        """At most `count` frames, evenly spread from the first to the last."""
        chosen = np.linspace(0, self.num_frames - 1, min(count, self.num_frames))
        return self.frames(chosen.round().astype(np.int64))
