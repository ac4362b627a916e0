"""2D keypoint detection with a user's top-down ONNX network (needs onnxruntime).

The input is the crop of one person, (1, 3, H, W). The output is either a heat map per
joint, (1, J, h, w), or two arrays of bins (SimCC), (1, J, k W) for u and (1, J, k H)
for v. Positions follow MMPose: cell i of a heat map is at the centre of input pixel
i W / w (`CELLS` has other conventions); bin b is at the centre of input pixel b / k.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.keypoints import detections
from data_pipelines.sequences import sequence, tracks
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

# Mean and standard deviation of ImageNet, colours from 0 to 255, in the order R, G, B.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
# Where cell i of a heat map of w cells lies in an input of W pixels, whose first centre
# is at 0: at its first pixel (MMPose), in the middle of its pixels (MoveNet), or so
# that the corner cells lie on the corner pixels (UDP: ViTPose; `UDPHeatmap` in MMPose).
CELLS = {
    "first": lambda i, W, w: i * W / w,
    "middle": lambda i, W, w: (i + 0.5) * W / w - 0.5,
    "corners": lambda i, W, w: i * (W - 1) / (w - 1),
}
_PADDING = 1.25  # scale of the box, as in MMPose (GetBBoxCenterScale)
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # best first

Box = tuple[float, float, float, float]  # left, top, right, bottom, pixels


class KeypointDetector:
    """Keypoint network for one person: `uv, confidence = detector(image, box)`."""

    def __init__(
        self,
        path: str | os.PathLike,
        skeleton: str = "COCO17",
        *,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        rgb: bool = True,
        udp: bool = False,
        cells: str = "first",
    ):
        """Loads the network and runs it once to check its outputs.

        Args:
            path: the ONNX file.
            skeleton: name of the skeleton whose joint order the network uses.
            mean: value subtracted from each input channel; colours are 0 to 255.
            std: divisor of each input channel.
            rgb: False for a network with input order B, G, R, which then also holds for
                `mean` and `std`.
            udp: True for a heat map trained with UDP; the same as `cells="corners"`.
            cells: where the cells of a heat map lie, a key of `CELLS`. The wrong one
                moves all keypoints by up to half a cell.

        Raises:
            errors.BadInput: onnxruntime is missing, the file is not a suitable network,
                or its number of joints is wrong.
            ValueError: `cells` is unknown, or contradicts `udp`.
        """
        if cells not in CELLS or (udp and cells == "middle"):
            raise ValueError(
                f"cells is {cells!r} with udp={udp}; choose one of {', '.join(CELLS)}"
            )
        try:
            self._joints = skeletons.by_name(skeleton).num_joints
        except ValueError as error:
            raise errors.BadInput(str(error)) from error
        self.path, self.skeleton = pathlib.Path(path), skeleton
        self._mean = np.asarray(mean, np.float32)
        self._std = np.asarray(std, np.float32)
        self._rgb, self._place = rgb, CELLS["corners" if udp else cells]
        self._session = _open(self.path)
        self._size = _input_size(self._session.get_inputs(), self.path)
        trial = self._run(np.zeros((*self._size[::-1], 3), np.uint8))
        self._check([output.shape for output in trial])

    def __call__(self, image: np.ndarray, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """Detects the joints of the person in a box.

        Args:
            image: uint8 RGB (height, width, 3), as recorded.
            box: bounding box of the person, without padding.

        Returns:
            float32 (joints, 2), pixels as recorded with centres at +0.5, and float32
            (joints,), confidence in [0, 1].
        """
        left, top, scale = _fit_box(box, self._size)
        # With pixel edges at integers, input = scale * (image - corner). OpenCV has
        # pixel centres at integers.
        matrix = np.array(
            [
                [scale, 0.0, scale * (0.5 - left) - 0.5],
                [0.0, scale, scale * (0.5 - top) - 0.5],
            ]
        )
        crop = cv2.warpAffine(image, matrix, self._size, flags=cv2.INTER_LINEAR)
        pixels, confidence = self._decode(self._run(crop))
        uv = (pixels + 0.5) / scale + (left, top)
        return uv.astype(np.float32), np.clip(confidence, 0, 1).astype(np.float32)

    def _run(self, crop: np.ndarray) -> list[np.ndarray]:
        """Runs the network on a crop of its input size."""
        channels = crop if self._rgb else crop[..., ::-1]
        values = (channels.astype(np.float32) - self._mean) / self._std
        batch = np.ascontiguousarray(values.transpose(2, 0, 1)[None])
        return self._session.run(None, {self._session.get_inputs()[0].name: batch})

    def _check(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Raises if the output shapes are neither those of heat maps nor of SimCC."""
        sides = self._size
        heat = len(shapes) == 1 and len(shapes[0]) == 4
        bins = len(shapes) == 2 and all(len(shape) == 3 for shape in shapes)
        if bins:
            bins = shapes[0][2] * sides[1] == shapes[1][2] * sides[0]
        if not (heat or bins) or any(shape[0] != 1 for shape in shapes):
            given = " and ".join(map(str, shapes))
            raise errors.BadInput(
                f"{self.path} gives {given}; expected heat maps (1, J, h, w) or SimCC"
                f" (1, J, {sides[0]} k) and (1, J, {sides[1]} k)"
            )
        if any(shape[1] != self._joints for shape in shapes):
            raise errors.BadInput(
                f"{self.path} gives {shapes[0][1]} joints, but {self.skeleton} has"
                f" {self._joints}"
            )

    def _decode(self, outputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Input pixels (joints, 2), first centre at 0, and heights of the peaks."""
        if len(outputs) == 2:
            bins = [output[0].argmax(axis=1) for output in outputs]
            split = outputs[0].shape[2] / self._size[0]
            # As in MMPose, the confidence is the lower one of the two coordinates.
            height = np.minimum(*(output[0].max(axis=1) for output in outputs))
            return np.stack(bins, axis=1) / split, height
        cells, height = _peaks(outputs[0][0])
        rows, columns = outputs[0].shape[2:]
        size, count = np.array(self._size), np.array((columns, rows))
        return self._place(cells, size, count), height


def detect_recording(source: sequence.Sequence, detector: KeypointDetector) -> Any:
    """Detects keypoints in every frame that has a colour image and a person.

    The person comes from the masks, or from segmentation of the depth map.

    Args:
        source: a recording, or any sequence with colour images.
        detector: the network.

    Returns:
        The content of a keypoints.json.

    Raises:
        errors.BadInput: a frame cannot be read, or no frame has both a colour image
            and a person in it.
    """
    frames, found = [], []
    for index, cloud in enumerate(tracks.person_clouds(source)):
        image = source.color(index)
        box = person_box(cloud.xyz, source)
        if image is not None and box is not None:
            frames.append(source.frames[index])
            found.append(detector(image, box))
    if not found:
        raise errors.BadInput(
            f"{source.name}: no frame has a colour image and a person in it"
        )
    uv, confidence = (np.stack(values) for values in zip(*found, strict=True))
    uv, confidence = source.keypoints_to_recorded(uv, confidence, detector.skeleton)
    return detections.to_coco(uv, confidence, detector.skeleton, frames)


def person_box(xyz: np.ndarray, source: sequence.Sequence) -> Box | None:
    """Bounding box of points in the image of the colour camera.

    Args:
        xyz: (points, 3), metres, depth-camera frame.
        source: the cameras.

    Returns:
        Box in pixels as recorded; None if no point is inside the image.
    """
    uv = pixels_of(xyz, source)
    if not len(uv):
        return None
    (left, top), (right, bottom) = uv.min(axis=0), uv.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


class Cameras(Protocol):
    """A depth camera with the camera of the keypoints: a sequence, or a device."""

    @property
    def keypoint_camera(self) -> calibration.Camera:
        """Camera of the colour images, or of depth without colour."""

    @property
    def color_from_depth(self) -> np.ndarray:
        """From the depth camera to the colour camera: (4, 4), metres."""


def pixels_of(xyz: np.ndarray, source: Cameras) -> np.ndarray:
    """Projects points into the image of the colour camera; drops those outside.

    Args:
        xyz: (points, 3), metres, depth-camera frame.
        source: the cameras.

    Returns:
        (points inside, 2), pixels as recorded.
    """
    camera = source.keypoint_camera
    xyz = xyz @ source.color_from_depth[:3, :3].T + source.color_from_depth[:3, 3]
    uv = camera.distort_uv(camera.project(xyz[xyz[:, 2] > 0]))
    return uv[((uv > 0) & (uv < (camera.width, camera.height))).all(axis=1)]


def _open(path: pathlib.Path) -> Any:
    """Opens the network in an inference session."""
    try:
        import onnxruntime
    except ImportError as error:
        raise errors.BadInput(
            "ONNX models need onnxruntime: pip install onnxruntime"
        ) from error
    if not path.is_file():
        raise errors.BadInput(f"no ONNX file at {path}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # hides warnings about the export of the model
    available = onnxruntime.get_available_providers()
    providers = [name for name in _PROVIDERS if name in available]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers)
    except Exception as error:  # the errors of onnxruntime have no common class
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise errors.BadInput(f"{path} is not an ONNX model: {line}") from error


def _input_size(inputs: Sequence[Any], path: pathlib.Path) -> tuple[int, int]:
    """Width and height of the single input, pixels."""
    shape = inputs[0].shape if len(inputs) == 1 else []
    fixed = len(shape) == 4 and all(isinstance(side, int) for side in shape[1:])
    batch_of_one = fixed and (shape[0] == 1 or not isinstance(shape[0], int))
    if not batch_of_one or shape[1] != 3 or inputs[0].type != "tensor(float)":
        given = " and ".join(f"{entry.type} {entry.shape}" for entry in inputs)
        raise errors.BadInput(
            f"{path} takes {given}; expected tensor(float) [1, 3, height, width] with a"
            " fixed height and width"
        )
    return shape[3], shape[2]


def _fit_box(box: Box, size: tuple[int, int]) -> tuple[float, float, float]:
    """Pads a box and extends it to the aspect ratio of the input.

    Returns:
        Left and top edge of the new box, and input pixels per image pixel.
    """
    left, top, right, bottom = box
    scale = min(
        size[0] / max(_PADDING * (right - left), 1.0),
        size[1] / max(_PADDING * (bottom - top), 1.0),
    )
    return (
        (left + right - size[0] / scale) / 2,
        (top + bottom - size[1] / scale) / 2,
        scale,
    )


def _peaks(heat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximum of each heat map with sub-cell precision.

    Along each axis, the vertex of the parabola through the logarithms of three cells,
    which is exact for a Gaussian. At the border, the cell itself.

    Args:
        heat: (joints, rows, columns).

    Returns:
        (joints, 2), column and row, cell centres at 0, 1, ...; and (joints,), the
        value of the highest cell.
    """
    joints, rows, columns = heat.shape
    row, column = np.divmod(heat.reshape(joints, -1).argmax(axis=1), columns)
    joint = np.arange(joints)
    height = heat[joint, row, column]
    # Avoids the logarithm of zero; values this far below the peak have no influence.
    log = np.log(np.maximum(heat, 1e-6 * np.maximum(height, 1e-6)[:, None, None]))
    shifts = []
    for place, last, step in ((column, columns - 1, (0, 1)), (row, rows - 1, (1, 0))):
        inside = (place > 0) & (place < last)
        r, c = step[0] * inside, step[1] * inside
        before, after = log[joint, row - r, column - c], log[joint, row + r, column + c]
        bend = 2 * log[joint, row, column] - before - after
        shifts.append((after - before) / np.where(bend > 0, 2 * bend, 1.0))
    return np.stack([column, row], axis=1) + np.stack(shifts, axis=1), height
