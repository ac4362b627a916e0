"""Pictures of what a network is fed: points of the mask, keypoints and crops."""

import pathlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from unipose_jax import atomic
from unipose_jax.report import page
from unipose_jax.report.draw import overlay, palette
from unipose_jax.skeleton import definitions

_SIDE = 480  # pixels
_GROUND = (246, 248, 250)
_MARGIN = 0.08  # of the side, around the points

Clip = Mapping[str, np.ndarray]


def write(
    folder: pathlib.Path, skeleton: str, clips: Sequence[Clip]
) -> list[page.Figure]:
    """Writes pictures of the middle frame of some clips.

    Args:
        folder: of the page; pictures go to `figures/`.
        skeleton: name of the skeleton of the keypoints.
        clips: with the fields of a batch, without its leading axis.
    """
    body, figures = definitions.by_name(skeleton), []
    for number, clip in enumerate(clips):
        frame = len(clip["points"]) // 2
        for kind, image in _pictures(clip, frame, body).items():
            stem = f"input_{number}_{kind.partition(' ')[0]}"
            path = folder / "figures" / f"{stem}.png"
            _, file = cv2.imencode(".png", image[..., ::-1])
            atomic.write_bytes(path, file.tobytes())
            figures.append(page.Figure(path, f"clip {number}: {kind}", wide=False))
    return figures


def _pictures(
    clip: Clip, frame: int, body: definitions.Skeleton
) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
    """Pictures of a frame by what they show."""
    confidence = clip["confidence"][frame]
    uv = np.where((confidence > 0)[:, None], clip["uv"][frame], np.nan)
    rays = _rays(uv, clip["intrinsics"])
    found = {}
    points = clip["points"][frame][clip["points_valid"][frame]]
    if len(points):
        image, matrix = _draw_points(points, clip)
        overlay.draw_pose(image, _project(rays, matrix), body, confidence=confidence)
        found["points of the mask, by depth, and 2D keypoints"] = image
    for name, kind in (("depth_crop", "depth crop"), ("color_crop", "colour crop")):
        crop = clip.get(name)
        if crop is None or not np.any(crop[frame]):
            continue
        image, scale = _enlarged(_rgb(crop[frame]))
        if name == "color_crop" or np.allclose(clip["cam_from_points"], np.eye(4)):
            uv = scale * _project(rays, clip[f"{name}_matrix"][frame])
            overlay.draw_pose(image, uv, body, confidence=confidence)
        found[kind] = image
    return found


def _draw_points(
    points: Float[np.ndarray, "points 3"], clip: Clip
) -> tuple[UInt8[np.ndarray, "side side 3"], Float[np.ndarray, "3 3"]]:
    """Points as the camera of the keypoints sees them, and the picture's matrix."""
    pose = clip["cam_from_points"]
    xyz = points @ pose[:3, :3].T + pose[:3, 3]
    xyz = xyz[xyz[:, 2] > 0.05]
    rays = xyz[:, :2] / xyz[:, 2:]
    low, high = rays.min(axis=0, initial=9.0), rays.max(axis=0, initial=-9.0)
    focal = (1.0 - 2.0 * _MARGIN) * _SIDE / max(float((high - low).max()), 1e-3)
    center = 0.5 * _SIDE - focal * 0.5 * (low + high)
    matrix = np.array([[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1]])
    image = np.full((_SIDE, _SIDE, 3), _GROUND, np.uint8)
    near, far = np.quantile(xyz[:, 2], [0.02, 0.98]) if len(xyz) else (1.0, 2.0)
    colors = palette.depth_rgb(
        xyz[None, :, 2], depth_range=(float(near) - 0.1, float(far) + 0.1)
    )[0]
    order = np.argsort(-xyz[:, 2])  # the nearest last, in front
    places = focal * rays + center
    for place, color in zip(places[order], colors[order].tolist(), strict=True):
        u, v = (round(float(side) - 0.5) for side in place)
        cv2.circle(image, (u, v), 3, color, -1, cv2.LINE_AA)
    return image, matrix


def _rays(
    uv: Float[np.ndarray, "joints 2"], intrinsics: Float[np.ndarray, "4"]
) -> Float[np.ndarray, "joints 2"]:
    """(x/z, y/z) of pixels."""
    return (uv - intrinsics[2:]) / intrinsics[:2]


def _project(
    rays: Float[np.ndarray, "joints 2"], matrix: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "joints 2"]:
    homogeneous = np.concatenate([rays, np.ones_like(rays[:, :1])], axis=1) @ matrix.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def _rgb(crop: np.ndarray) -> UInt8[np.ndarray, "height width 3"]:
    """A depth crop in metres or a colour crop, uint8 or in [0, 1], as colours."""
    if crop.ndim == 2:
        known = crop[crop > 0]
        near, far = (float(d) for d in np.quantile(known, [0.02, 0.98]))
        return palette.depth_rgb(crop, depth_range=(near - 0.1, far + 0.1))
    if crop.dtype == np.uint8:
        return crop
    return np.rint(255 * np.clip(crop, 0.0, 1.0)).astype(np.uint8)


def _enlarged(image: np.ndarray) -> tuple[np.ndarray, int]:
    """An image with whole pixels enlarged to about `_SIDE`, and the factor."""
    scale = max(1, round(_SIDE / image.shape[0]))
    return image.repeat(scale, axis=0).repeat(scale, axis=1), scale
