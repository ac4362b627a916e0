"""Additional training people for lifting networks, seen by the cameras of a data set.

Rendered (procedural) and captured motions are placed on the floor where recorded people
stood, and projected by the same cameras. There are no images: 2D joints are exact
projections of the 3D joints.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from data_pipelines.ground import settings
from data_pipelines.loading import clip_source
from data_pipelines.rendered import clip_pool
from data_pipelines.sequences import tracks
from unipose_jax import errors
from unipose_jax import skeleton as skeletons
from unipose_jax.geometry import camera
from unipose_jax.skeleton import definitions

SUBJECT = "added"
_MIN_DEPTH = 0.5  # metres; people who come nearer are left out


def make_tracks(
    recorded: Sequence[clip_source.Track], data: settings.DataSettings
) -> list[tracks.Track]:
    """Tracks of `data.added_people` people, one clip each, all with labels.

    Half of them have motions of the file `data.motion`, if there is one. Cameras, frame
    rate and places are those of random recorded frames. The few people who come nearer
    than 0.5 m to the camera are left out.

    Args:
        recorded: tracks with `floor`.
        data: `added_people`, `motion`, `frames`, `frame_step`, `skeleton`, `seed`.

    Raises:
        errors.BadInput: no track has a floor, or the motion file cannot be used.
    """
    standing = [track for track in recorded if _has_floor(track)]
    if not standing:
        raise errors.BadInput(
            f"config.data.added_people={data.added_people} needs cameras with a known "
            f"floor, which {data.name} does not have here"
        )
    rng = np.random.default_rng([data.seed, data.added_people])
    frames = data.frames * data.frame_step
    fps = _frame_rate(standing)
    rate: dict[str, Any] = {"fps": fps, "length": frames}
    bodies: list[np.ndarray] = []
    if data.motion:
        pieces = clip_pool.captured_motion(clip_pool.motion_path(data), **rate)
        chosen = rng.integers(len(pieces), size=data.added_people // 2)
        bodies += list(pieces[chosen])
    rest = data.added_people - len(bodies)
    bodies += list(clip_pool.procedural_motion(rest, **rate, seed=data.seed))
    made = [
        _place(xyz, standing[rng.integers(len(standing))], fps, data.skeleton, rng)
        for xyz in bodies
    ]
    return [t for t in made if np.nanmin(t.per_frame["xyz"][..., 2]) > _MIN_DEPTH]


def _has_floor(track: clip_source.Track) -> bool:
    floor = track.static_fields.get("floor")
    return floor is not None and bool(np.isfinite(floor).all())


def _frame_rate(recorded: Sequence[clip_source.Track]) -> float:
    steps = np.concatenate([np.diff(track.time) for track in recorded])
    return round(float(1.0 / np.median(steps)), 3)


def _place(
    body: np.ndarray, recorded: clip_source.Track, fps: float, skeleton: str, rng
) -> tracks.Track:
    """Puts a person on the floor below a recorded one, with a random heading."""
    floor, intrinsics = (recorded.static_fields[n] for n in ("floor", "intrinsics"))
    frame = recorded.frame(int(rng.integers(len(recorded))))
    person = np.asarray(frame["xyz"])[np.asarray(frame["xyz_valid"])]
    middle = person.mean(axis=0) if len(person) else np.array([0.0, 0.0, 4.0])
    ground = middle - (floor[:3] @ middle + floor[3]) * floor[:3]
    values, has = definitions.convert(
        body.astype(np.float32), skeletons.BODY, skeletons.by_name(skeleton)
    )
    local = np.asarray(values) - np.asarray(body).mean((0, 1)) * [1.0, 0.0, 1.0]
    heading = rng.uniform(0.0, 2.0 * np.pi)
    xyz = ground + local @ _axes(floor[:3], heading).T
    valid = np.broadcast_to(np.asarray(has), xyz.shape[:2]).copy()
    uv = np.asarray(camera.uv_from_xyz(xyz, intrinsics))
    return tracks.Track(
        [np.zeros((0, 3), np.float32)] * len(xyz),
        np.arange(len(xyz)) / fps,
        per_frame={
            "uv": np.where(valid[..., None], uv, 0.0).astype(np.float32),
            "confidence": valid.astype(np.float32),
            "xyz": np.where(valid[..., None], xyz, np.nan).astype(np.float32),
            "xyz_valid": valid,
            "visible": valid,
        },
        static_fields=dict(recorded.static_fields),
        name=SUBJECT,
        subject=SUBJECT,
    )


def _axes(up: np.ndarray, heading: float) -> np.ndarray:
    """Camera from world: columns right, down and forward of a heading, (3, 3)."""
    right = np.cross(up, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    ahead = np.cross(right, -up)
    turned = np.cos(heading) * right + np.sin(heading) * ahead
    return np.stack([turned, -up, np.cross(turned, -up)], axis=1)
