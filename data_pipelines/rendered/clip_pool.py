"""Rendered people as a source of clips.

There are two modes, both pure functions of (seed, step). A *pool* has a fixed number of
clips, which are rendered once, kept in memory and in a cache folder, and shuffled in
every epoch; this suits a CPU. *Fresh* clips are rendered batch by batch on the training
device; this suits an accelerator. A global batch does not depend on the number of
hosts, so results are the same on any number of hosts.
"""

import dataclasses
import functools
import pathlib
import typing
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_pipelines.ground import file_io, schema, settings
from data_pipelines.rendered import cache
from unipose_jax import errors, progress
from unipose_jax.geometry import point_cloud
from unipose_jax.synthesis import crowd, pools, scene
from unipose_jax.synthesis.motion import body_shape, procedural, retargeting

Clips = dict[str, np.ndarray]
MOTION_FRAMES = 30  # frames per piece of a motion clip
# Relative difference below which frame rates count as equal
_RATE_TOLERANCE = 0.02


class ClipPool:
    """Rendered clips in memory, as a random-access source of schema examples."""

    protocol = "The people are rendered; keypoints come from a simulated 2D detector."

    def __init__(self, clips: Clips, *, num_points: int):
        """Wraps stacked clips.

        Args:
            clips: packed schema fields (`schema.pack`) with a leading clip axis;
                `points` may have more points than an example.
            num_points: points per frame of an example.
        """
        self.clips = clips
        self.num_points = num_points

    def __len__(self) -> int:
        return len(self.clips["points"])

    def __getitem__(self, index: int) -> Clips:
        """Returns example `index`, always with the same points."""
        return self.example(index, np.random.default_rng(index))

    def example(self, index: int, rng: np.random.Generator) -> Clips:
        """Returns example `index` with points sampled by `rng` from the stored ones."""
        example = {name: value[index] for name, value in self.clips.items()}
        stored = example["points"].shape[-2]
        chosen = rng.permutation(stored)[: self.num_points]
        example["points"] = example["points"][:, chosen].astype(np.float32)
        for name in ("points_valid", "points_part"):
            if name in example:
                example[name] = example[name][:, chosen]
        return schema.unpack(example)


def open_images(data: settings.DataSettings, split: str) -> Clips:
    """Renders images of several people, or reads them from the cache folder.

    Returns:
        The fields of `schema.IMAGE_FIELDS` with a leading image axis.

    Raises:
        errors.BadInput: the cache folder cannot be written.
    """
    params = crowd.CrowdParams(
        people=(2, data.max_people),
        height=data.height,
        width=data.width,
        skeleton=data.skeleton,
    )
    count = data.num_clips(split)
    return cache.load_or_make(
        data.cache_dir,
        f"pictures-{split}-{count}",
        [repr(params), str(data.seed), *_versions()],
        functools.partial(_render_images, data.seed, split, count, params),
    )


def _render_images(
    seed: int, split: str, count: int, params: crowd.CrowdParams
) -> Clips:
    """Renders the fields of `schema.IMAGE_FIELDS`, stacked."""
    drawn = crowd.render_images(seed, split, 0, count, params)
    return {
        "image": drawn["color"],
        "people_uv": drawn["uv"],
        "people_confidence": drawn["confidence"],
        "people_xyz": drawn["xyz"],
        "people_visible": drawn["visible"],
    }


def check_counts(data: settings.DataSettings) -> None:
    """Checks that there are enough validation and test clips.

    Raises:
        errors.BadInput: there are too few; the message names the setting.
    """
    for split, least in {"train": 0, "validation": 1, "test": 1}.items():
        if (count := data.num_clips(split)) < least:
            raise errors.BadInput(
                f"config.data.{split}_clips is {count}; use {least} or more"
            )


def open_pool(data: settings.DataSettings, split: str) -> ClipPool:
    """Renders a split, or reads it from the cache folder.

    Raises:
        errors.BadInput: the cache folder cannot be written, or clips have fewer points
            than `data.num_points`.
    """
    count = data.num_clips(split)
    stored = scene_params(data, split).points
    if data.num_points > stored:
        raise errors.BadInput(
            f"config.data.num_points is {data.num_points}, but clips have "
            f"config.data.scene.points={stored}"
        )
    clips = cache.load_or_make(
        data.cache_dir,
        f"{split}-{count}",
        _cache_key(data, split),
        functools.partial(render, data, split, count),
    )
    return ClipPool(clips, num_points=data.num_points)


def render_images(data: settings.DataSettings, split: str, count: int) -> Clips:
    """Renders the first clips of a split with `depth`, `color`, `depth_intrinsics`."""
    return pools.render_pool(
        data.seed,
        split,
        0,
        count,
        scene_params(data, split),
        motion_clips=motion_pieces(data),
        extras=("depth", "color"),
    )


def scene_params(data: settings.DataSettings, split: str) -> scene.SceneParams:
    """The renderer's settings: `data.scene`, with length, skeleton and crops of `data`.

    Values of `data.train_view` that are not None replace the views in training.
    """
    params = _from_dict(scene.SceneParams, data.scene)
    if split == "train":
        own = {k: v for k, v in data.train_view.items() if v is not None}
        view = dataclasses.replace(params.view, **own)
        params = dataclasses.replace(params, view=view)
    return dataclasses.replace(
        params,
        frames=data.frames,
        skeleton=data.skeleton,
        crop_size=data.crop_size,
    )


def _from_dict(kind: type, values: Mapping[str, Any]):
    """Makes a nested dataclass from nested dicts."""
    hints = typing.get_type_hints(kind)
    return kind(
        **{
            name: _from_dict(hints[name], value)
            if isinstance(value, Mapping)
            else value
            for name, value in values.items()
        }
    )


def render(
    data: settings.DataSettings, split: str, count: int, start: int = 0
) -> Clips:
    """Renders clips `start` to `start + count`: packed schema fields, stacked."""
    with progress.Bar(count, f"render {split}", "clip", disable=count == 1) as bar:
        clips = pools.render_pool(
            data.seed,
            split,
            start,
            count,
            scene_params(data, split),
            motion_clips=motion_pieces(data),
            extras=extra_fields(data),
            progress=lambda done: bar.update(done - bar.n),
        )
    return _schema_fields(clips)


def extra_fields(data: settings.DataSettings) -> tuple[str, ...]:
    """Names of what clips have in addition to the schema's fields: `scene.EXTRAS`."""
    kinds = dict(zip(("depth", "rgb"), scene.CROPS, strict=True))
    crops = tuple(kinds[name] for name in data.crops) if data.crop_size else ()
    return (*crops, "points_part") if data.part_labels else crops


def _schema_fields(clips: Clips) -> Clips:
    """Schema fields, with flying pixels removed as in recordings."""
    fields = schema_fields_of(clips)
    valid = fields["points_valid"] = np.array(fields["points_valid"])
    for clip, frame in np.ndindex(valid.shape[:2]):
        seen = valid[clip, frame]
        seen[seen] = point_cloud.inliers(fields["points"][clip, frame, seen])
    return fields


def schema_fields_of(clips: Mapping[str, Any]) -> dict[str, Any]:
    """Selects the fields of rendered clips that are in the schema."""
    optional = (name for name in (*schema.CROP_FIELDS, "points_part") if name in clips)
    names = [*schema.FIELDS, *optional]
    return {name: clips[name] for name in names}


def _cache_key(data: settings.DataSettings, split: str) -> list[str]:
    """Cache key: everything that the clips of a split depend on."""
    parts = [repr(scene_params(data, split)), str(data.seed), *_versions()]
    motion_file = [file_io.digest([motion_path(data)])] if data.motion else []
    return [*parts, *extra_fields(data), *motion_file]


def _versions() -> tuple[str, str]:
    return jax.__version__, jax.default_backend()


def motion_path(data: settings.DataSettings) -> pathlib.Path:
    """Path of the file `data.motion`.

    Raises:
        errors.BadInput: there is no such file.
    """
    path = pathlib.Path(data.motion).expanduser()
    if not path.is_file():
        raise errors.BadInput(f"no motion clips at {path} (config.data.motion)")
    return path


def motion_pieces(data: settings.DataSettings) -> np.ndarray | None:
    """Pieces of captured motion: (pieces, frames, BODY joints, 3), in fixed order."""
    if not data.motion:
        return None
    fps, length = scene_params(data, "train").fps, max(MOTION_FRAMES, data.frames)
    return captured_motion(motion_path(data), fps=fps, length=length)


def captured_motion(path: pathlib.Path, *, fps: float, length: int) -> np.ndarray:
    """Pieces of the clips of a file: (pieces, length, BODY joints, 3).

    Args:
        path: see `retargeting.load_clips`.
        fps: wanted frame rate, Hz.
        length: frames per piece.

    Returns:
        Joints, metres, y down, the floor at y = 0; in a fixed random order.

    Raises:
        errors.BadInput: the file cannot be used, or no clip is long enough.
    """
    pieces = []
    try:
        for clip in retargeting.load_clips(path).values():
            xyz = _resample_frames(retargeting.to_body(clip), clip.fps, fps)
            whole = range(0, len(xyz) - length + 1, length)
            pieces += [xyz[i : i + length] for i in whole]
    except (TypeError, OSError, *file_io.DAMAGED_NPZ) as error:
        raise errors.BadInput(f"{path} has no motion clips: {error}") from error
    if not pieces:
        raise errors.BadInput(f"{path}: no clip lasts {length} frames at {fps} Hz")
    order = np.random.default_rng(0).permutation(len(pieces))
    return np.stack([pieces[i] for i in order])


def procedural_motion(count: int, *, fps: float, length: int, seed: int) -> np.ndarray:
    """Procedural motions of random bodies: (count, length, BODY joints, 3).

    Args:
        count: number of people.
        fps: frame rate, Hz.
        length: frames of each.
        seed: of bodies and motions.

    Returns:
        Joints, metres, y down, the floor at y = 0.
    """
    keys = jax.random.split(jax.random.key(seed), count)
    return np.asarray(_motion_sampler(fps, length)(keys))


@functools.cache
def _motion_sampler(fps: float, length: int) -> Callable:
    """Builds a jitted function from keys to motions."""
    time = jnp.arange(length, dtype=jnp.float32) / fps

    @jax.jit
    @jax.vmap
    def make(key):
        shape_key, motion_key = jax.random.split(key)
        person = body_shape.sample_shape(shape_key, body_shape.ShapeParams())
        return procedural.sample_motion(
            motion_key, person, time, procedural.MotionParams()
        )

    return make


def _resample_frames(xyz: np.ndarray, own: float, wanted: float) -> np.ndarray:
    """Changes the frame rate, Hz: takes every n-th frame, or interpolates."""
    step = max(1, round(own / wanted))
    if abs(own / wanted - step) < _RATE_TOLERANCE * step:
        return xyz[::step]
    # Cubic interpolation between two frames needs one more frame on each side.
    if len(xyz) < 4:
        return xyz[:0]
    time = np.arange(1.0 / own, (len(xyz) - 2) / own, 1.0 / wanted)
    return np.asarray(
        procedural.from_clip(jnp.asarray(xyz), jnp.asarray(time), fps=own)
    )
