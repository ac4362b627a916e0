"""Rendered people as a data set that can be prepared on disk."""

import dataclasses
import pathlib

from data_pipelines.ground import file_io, settings
from data_pipelines.rendered import clip_pool
from data_pipelines.sequences import sequence, tracks


@dataclasses.dataclass(frozen=True)
class RenderedClip:
    """A clip that is rendered when it is read; replaces a `sequence.Sequence`."""

    name: str
    subject: str
    split: str
    index: int
    data: settings.DataSettings

    def __len__(self) -> int:
        return self.data.frames


def open_data_set(
    source: pathlib.Path, data: settings.DataSettings
) -> sequence.DataSet:
    """All clips of a config, to be written to disk; `source` is not used."""
    motion = file_io.digest([clip_pool.motion_path(data)]) if data.motion else ""
    scene = data.scene.to_dict()
    scene.pop("crop_size", None)  # `data.crop_size` replaces it
    source_settings = {
        "seed": data.seed,
        "frames": data.frames,
        "motion": motion,
        "scene": scene,
        "train_view": data.train_view.to_dict(),
    }
    return sequence.DataSet(
        name="synthetic",
        sequences={
            split: [
                RenderedClip(f"{split}-{i}", f"{split}-{i}", split, i, data)
                for i in range(data.num_clips(split))
            ]
            for split in sequence.SPLITS
        },
        protocol=clip_pool.ClipPool.protocol,
        read=read_track,
        source_settings=source_settings,
    )


def read_track(
    clip: RenderedClip,
    *,
    skeleton: str,
    stored_points: int,
    skipped: list[str] | None = None,
    crop_size: int = 0,
) -> tracks.Track:
    """Renders a clip; see `tracks.read_track` for the arguments."""
    data = dataclasses.replace(
        clip.data,
        skeleton=skeleton,
        crop_size=crop_size,
        part_labels=False,
        scene=settings.FrozenMapping({**clip.data.scene, "points": stored_points}),
    )
    rendered = clip_pool.render(data, clip.split, 1, clip.index)
    example = {name: v[0] for name, v in rendered.items()}
    constant = {name: example.pop(name) for name in ("intrinsics", "cam_from_points")}
    time, valid = example.pop("time"), example.pop("points_valid")
    points = [p[v] for p, v in zip(example.pop("points"), valid, strict=True)]
    return tracks.Track(points, time, per_frame=example, static_fields=constant)
