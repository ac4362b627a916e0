"""Cameras that are mounted upside down or on their side, and mirrored images.

`up` names the side of the recorded image that is up in the scene. `mirrored` says that
the image is a mirror image, as OpenNI and the Kinect SDKs deliver. Frames are turned
first, so that `up` is at the top, and then mirrored from left to right. What is read
from a recording is upright and not mirrored; poses are turned back for files.
"""

import dataclasses

import numpy as np

from data_pipelines.cameras import calibration

# Side that is up: quarter turns counter-clockwise that bring it to the top.
TURNS = {"top": 0, "right": 1, "bottom": 2, "left": 3}


@dataclasses.dataclass(frozen=True)
class Orientation:
    """How the images of a device are mounted."""

    up: str = "top"  # a key of TURNS
    mirrored: bool = False

    @property
    def is_upright(self) -> bool:
        """Whether nothing has to be changed."""
        return self.up == "top" and not self.mirrored

    def turned_on(self, up: str) -> "Orientation":
        """The mounting whose images are these ones, with their side `up` at the top."""
        sides = {"left": "right", "right": "left"} if self.mirrored else {}
        turns = (TURNS[self.up] + TURNS[sides.get(up, up)]) % 4
        return Orientation(list(TURNS)[turns], self.mirrored)

    @property
    def upright_from_recorded(self) -> np.ndarray:
        """The change of axes of the camera frame: float32 (3, 3), orthogonal.

        Its determinant is -1 for mirrored images.
        """
        quarter = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        turn = np.linalg.matrix_power(quarter, TURNS[self.up])
        mirror = np.diag([-1.0 if self.mirrored else 1.0, 1.0, 1.0])
        return (mirror @ turn).astype(np.float32)

    def turn_image(self, image: np.ndarray) -> np.ndarray:
        """The upright image of a recorded one, (height, width, ...)."""
        turned = np.rot90(image, TURNS[self.up])
        return np.ascontiguousarray(turned[:, ::-1] if self.mirrored else turned)

    def turn_uv(
        self, uv: np.ndarray, camera: calibration.Camera, *, back: bool = False
    ) -> np.ndarray:
        """Pixels in the upright image of pixels in the recorded one.

        Args:
            uv: (..., 2), pixels.
            camera: the camera as recorded.
            back: True for the inverse.
        """
        change = self.upright_from_recorded[:2, :2]
        middle = np.array([camera.width, camera.height], np.float32) / 2
        turned = middle[::-1] if TURNS[self.up] % 2 else middle
        if back:
            return (uv - turned) @ change + middle
        return (uv - middle) @ change.T + turned

    def turn_camera(self, camera: calibration.Camera) -> calibration.Camera:
        """The camera of the upright images."""
        change = self.upright_from_recorded[:2, :2]
        sides = np.abs(change)
        width, height = (int(s) for s in sides @ (camera.width, camera.height))
        k1, k2, p1, p2, *more = camera.distortion
        # (p2, p1) is the vector of the decentring; it turns with the axes.
        p2, p1 = change @ (p2, p1)
        return calibration.make_camera(
            width,
            height,
            np.concatenate(
                [
                    sides @ camera.intrinsics[:2],
                    self.turn_uv(camera.intrinsics[2:], camera),
                ]
            ),
            (k1, k2, p1, p2, *more),
            max_radius=camera.max_radius,
        )

    def turn_pose(self, color_from_depth: np.ndarray) -> np.ndarray:
        """The 4x4 transform between two cameras of the device after turning both."""
        change = self._homogeneous()
        return (change @ color_from_depth @ change.T).astype(np.float32)

    def turn_world(self, world_from_depth: np.ndarray) -> np.ndarray:
        """Poses (..., 4, 4) of the upright camera in the world.

        A mirrored recording has a mirrored world: its x axis is negated, so that the
        poses stay rigid.
        """
        world = np.diag([-1.0 if self.mirrored else 1.0, 1.0, 1.0, 1.0])
        return (world @ world_from_depth @ self._homogeneous().T).astype(np.float32)

    def _homogeneous(self) -> np.ndarray:
        change = np.eye(4)
        change[:3, :3] = self.upright_from_recorded
        return change
