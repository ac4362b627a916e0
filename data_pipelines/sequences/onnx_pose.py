"""2D keypoints by the user's own top-down network, an ONNX file (needs onnxruntime).

The network takes one person, cut out of the image at the size of its input,
(1, 3, H, W), and gives either a heat map of each joint, (1, J, h, w), or two lists of
bins (SimCC), (1, J, k W) for u and (1, J, k H) for v. These are the heads of MMPose,
and positions mean what they mean there: cell i of a heat map lies on the centre of
input pixel i W / w (of i (W - 1) / (w - 1) where it was trained with UDP), bin b on
that of pixel b / k.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from data_pipelines.keypoints import detections
from data_pipelines.sequences import sequence, tracks
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

# ImageNet's, for colours from 0 to 255 in the order R, G, B.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
_PADDING = 1.25  # of the box, as in MMPose (GetBBoxCenterScale)
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # best first

Box = tuple[float, float, float, float]  # left, top, right, bottom pixel edges


class KeypointDetector:
    """A network of one person's keypoints: `uv, confidence = detector(image, box)`."""

    def __init__(
        self,
        path: str | os.PathLike,
        skeleton: str = "COCO17",
        *,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        rgb: bool = True,
        udp: bool = False,
    ):
        """Loads the network and tries it once.

        Args:
            path: the ONNX file.
            skeleton: name of the skeleton that its joints are in the order of.
            mean: of each channel of its input, taken away; colours are 0 to 255.
            std: of each channel, divided by.
            rgb: False for a network that takes B, G, R (then so are `mean` and `std`).
            udp: for a heat map trained with UDP (ViTPose; `UDPHeatmap` in MMPose),
                whose corner cells lie on the corner pixels.

        Raises:
            errors.BadInput: no onnxruntime, no such network, another number of joints.
        """
        try:
            self._joints = skeletons.by_name(skeleton).num_joints
        except ValueError as error:
            raise errors.BadInput(str(error)) from error
        self.path, self.skeleton = pathlib.Path(path), skeleton
        self._mean = np.asarray(mean, np.float32)
        self._std = np.asarray(std, np.float32)
        self._rgb, self._udp = rgb, udp
        self._session = _open(self.path)
        self._size = _input_size(self._session.get_inputs(), self.path)
        trial = self._run(np.zeros((*self._size[::-1], 3), np.uint8))
        self._check([output.shape for output in trial])

    def __call__(self, image: np.ndarray, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """Finds the joints of the person in a box.

        Args:
            image: uint8 RGB (height, width, 3), as recorded.
            box: around the person; it is padded and brought to the input's shape.

        Returns:
            float32 (joints, 2), pixels as recorded with centres at +0.5, and float32
            (joints,), confidence in [0, 1].
        """
        left, top, scale = _fit_box(box, self._size)
        # Input pixel = scale * (image pixel - corner) between pixel edges; OpenCV
        # counts from the centre of the first pixel.
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
        """The network's outputs for a crop of its size."""
        channels = crop if self._rgb else crop[..., ::-1]
        values = (channels.astype(np.float32) - self._mean) / self._std
        batch = np.ascontiguousarray(values.transpose(2, 0, 1)[None])
        return self._session.run(None, {self._session.get_inputs()[0].name: batch})

    def _check(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Raises unless the outputs are those of one of the two heads."""
        sides = self._size
        heat = len(shapes) == 1 and len(shapes[0]) == 4
        bins = len(shapes) == 2 and all(len(shape) == 3 for shape in shapes)
        if bins:
            bins = shapes[0][2] * sides[1] == shapes[1][2] * sides[0]
        if not (heat or bins) or any(shape[0] != 1 for shape in shapes):
            given = " and ".join(map(str, shapes))
            raise errors.BadInput(
                f"{self.path} gives {given}, no heat maps (1, J, h, w) and no SimCC"
                f" (1, J, {sides[0]} k) and (1, J, {sides[1]} k)"
            )
        if any(shape[1] != self._joints for shape in shapes):
            raise errors.BadInput(
                f"{self.path} gives {shapes[0][1]} joints, but {self.skeleton} has"
                f" {self._joints}"
            )

    def _decode(self, outputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Input pixels from 0 at the first centre, (joints, 2), and peak heights."""
        if len(outputs) == 2:
            bins = [output[0].argmax(axis=1) for output in outputs]
            split = outputs[0].shape[2] / self._size[0]
            # As in MMPose, the joint is as sure as the less sure of its coordinates.
            height = np.minimum(*(output[0].max(axis=1) for output in outputs))
            return np.stack(bins, axis=1) / split, height
        cells, height = _peaks(outputs[0][0])
        rows, columns = outputs[0].shape[2:]
        last = int(self._udp)
        cell = np.subtract(self._size, last) / np.subtract((columns, rows), last)
        return cells * cell, height


def detect_recording(source: sequence.Sequence, detector: KeypointDetector) -> Any:
    """The keypoints of the person in every frame that has colour and shows one.

    The person is the one in the masks, or the one that is segmented in the depth map.

    Args:
        source: a recording, or any sequence with colour.
        detector: the network.

    Returns:
        The content of a keypoints.json.

    Raises:
        errors.BadInput: a frame cannot be read, or none shows a person in colour.
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
    return detections.to_coco(uv, confidence, detector.skeleton, frames)


def person_box(xyz: np.ndarray, source: sequence.Sequence) -> Box | None:
    """The box around points in the image of their sequence's colour camera.

    Args:
        xyz: (points, 3), metres, depth-camera frame.
        source: has the cameras.

    Returns:
        Pixel edges as recorded; None where no point falls into the image.
    """
    camera = source.keypoint_camera
    xyz = xyz @ source.color_from_depth[:3, :3].T + source.color_from_depth[:3, 3]
    xyz = xyz[xyz[:, 2] > 0]
    uv = camera.distort_uv(camera.project(xyz))
    uv = uv[((uv > 0) & (uv < (camera.width, camera.height))).all(axis=1)]
    if not len(uv):
        return None
    (left, top), (right, bottom) = uv.min(axis=0), uv.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _open(path: pathlib.Path) -> Any:
    """The network, ready to run."""
    try:
        import onnxruntime
    except ImportError as error:
        raise errors.BadInput(
            "ONNX models need onnxruntime: pip install onnxruntime"
        ) from error
    if not path.is_file():
        raise errors.BadInput(f"no ONNX file at {path}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # no warnings about how the model was exported
    available = onnxruntime.get_available_providers()
    providers = [name for name in _PROVIDERS if name in available]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers)
    except Exception as error:  # its errors have no common class
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise errors.BadInput(f"{path} is no ONNX model: {line}") from error


def _input_size(inputs: Sequence[Any], path: pathlib.Path) -> tuple[int, int]:
    """Width and height of the one input, pixels."""
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
    """The padded box in the shape of the input.

    Returns:
        Its left and top edge, and input pixels per image pixel.
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
    """The highest point of each heat map between its cells.

    Along each axis the top of the parabola through the logarithms of three cells, which
    is the mean of a Gaussian; on the border, the cell itself.

    Args:
        heat: (joints, rows, columns).

    Returns:
        (joints, 2), column and row, cell centres at 0, 1, ...; and (joints,), the
        highest cell's value.
    """
    joints, rows, columns = heat.shape
    row, column = np.divmod(heat.reshape(joints, -1).argmax(axis=1), columns)
    joint = np.arange(joints)
    height = heat[joint, row, column]
    # What is not above zero has no logarithm; this far below the peak it is all one.
    log = np.log(np.maximum(heat, 1e-6 * np.maximum(height, 1e-6)[:, None, None]))
    shifts = []
    for place, last, step in ((column, columns - 1, (0, 1)), (row, rows - 1, (1, 0))):
        inside = (place > 0) & (place < last)
        r, c = step[0] * inside, step[1] * inside
        before, after = log[joint, row - r, column - c], log[joint, row + r, column + c]
        bend = 2 * log[joint, row, column] - before - after
        shifts.append((after - before) / np.where(bend > 0, 2 * bend, 1.0))
    return np.stack([column, row], axis=1) + np.stack(shifts, axis=1), height
