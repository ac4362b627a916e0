"""Training batches and evaluation splits of a config, by `config.data.name`."""

import pathlib

import ml_collections

from data_pipelines.loading import origin
from data_pipelines.readers import registry
from unipose_jax import errors


def open_train(
    config: ml_collections.ConfigDict, *, host: int, hosts: int, teacher=None
):
    """Opens an infinite iterator of training batches for one host.

    Args:
        config: with `data`, `seed` and `global_batch_size`.
        host: index of this host.
        hosts: number of hosts.
        teacher: object with `of_source(source)` and `of_batches(batches)`, which return
            the same clips with additional fields. None adds no fields.

    Returns:
        An iterator of batches (schema fields; NumPy arrays, or device arrays for
        freshly rendered clips) with `get_state()` and `set_state(state)`. The state is
        JSON-serialisable.

    Raises:
        errors.BadInput: `config.data.name` is unknown, or its files are invalid.
    """
    found = origin.of(config.data)
    if found.collections:
        from data_pipelines.loading import multi_person_images, pool_batches

        return pool_batches.PoolBatches(
            multi_person_images.open_train(config),
            seed=config.seed,
            batch_size=config.global_batch_size,
            host=host,
            hosts=hosts,
        )
    if found.renders:
        if config.data.mixture:
            raise errors.BadInput(
                "config.data.mixture needs prepared data sets (--data_dir); prepare "
                "rendered people with --mode=prepare"
            )
        from data_pipelines.loading import rendered_batches

        return rendered_batches.open_train(
            config, host=host, hosts=hosts, teacher=teacher
        )
    from data_pipelines.loading import loader

    return loader.Loader(
        _mixed(config, teacher),
        batch_size=config.global_batch_size,
        seed=config.seed,
        host=host,
        hosts=hosts,
        workers=config.data.workers,
    )


def _mixed(config: ml_collections.ConfigDict, teacher):
    """The training source of a config, with the other data sets of its mixture."""
    from data_pipelines.loading import label_subset, mixture

    def opened(data):
        source = open_split(ml_collections.ConfigDict({"data": data}), "train")
        source.check_supervision(has_teacher=teacher is not None)
        source = label_subset.labeled_subset(source, data)
        return teacher.label_source(source) if teacher else source

    shares = mixture.parse_mixture(config.data.mixture)
    if not shares:
        return opened(config.data)
    if not config.data.data_dir:
        raise errors.BadInput(
            "config.data.mixture needs prepared data sets (--data_dir)"
        )
    print(mixture.describe_mixture(shares))
    others = [opened(mixture.other_data_config(config.data, name)) for name in shares]
    main = 1.0 - sum(shares.values())
    return mixture.Mixture([opened(config.data), *others], [main, *shares.values()])


def open_split(config: ml_collections.ConfigDict, split: str):
    """Opens a split as a source: `len(source)`, `source[index]`, `source.protocol`.

    Args:
        config: with `data`.
        split: "train", "validation" or "test"; splits share no frames.

    Raises:
        errors.BadInput: see `open_train`.
    """
    data = config.data
    found = origin.of(data)
    if found.collections:
        from data_pipelines.loading import multi_person_images

        return multi_person_images.open_split(config, split)
    if found.renders:
        from data_pipelines.rendered import clip_pool

        return clip_pool.open_split(config, split)
    from data_pipelines.loading import clip_source

    if data.data_dir:
        from data_pipelines.prepared import track_records as prepared_tracks

        tracks, protocol = prepared_tracks.open_tracks(data, split)
    else:
        tracks, protocol = _read_tracks(data, split)
    if data.num_points:
        source = clip_source.ClipSource(
            tracks,
            num_frames=data.frames,
            num_points=data.num_points,
            frame_step=data.frame_step,
            protocol=protocol,
        )
    else:
        source = _pose_clips(tracks, data, split, protocol)
    if not len(source):
        where = data.data_dir or data.path
        raise errors.BadInput(f"{where} is too short for a {split} split")
    return source


def _pose_clips(tracks, data: ml_collections.ConfigDict, split: str, protocol: str):
    """Clips without points; labels of the labelled subjects only, for training."""
    from data_pipelines.loading import pose_clips

    labeled_subjects = tuple(filter(None, data.get("labeled_subjects", "").split(",")))
    if split != "train":
        labeled_subjects = ()
    elif labeled_subjects and not data.use_unlabeled_keypoints:
        tracks = [track for track in tracks if track.subject in labeled_subjects]
    return pose_clips.PoseClips(
        tracks,
        num_frames=data.frames,
        frame_step=data.frame_step,
        labeled_subjects=labeled_subjects,
        protocol=protocol,
    )


def _read_tracks(data: ml_collections.ConfigDict, split: str):
    """Reads the tracks of a split from the original files at `data.path`."""
    from data_pipelines.sequences import tracks

    if not data.path:
        raise errors.BadInput(
            f"config.data.name={data.name} needs config.data.data_dir (prepared with "
            "--mode=prepare) or config.data.path (read into memory)"
        )
    data_set = registry.open_data_set(data, pathlib.Path(data.path).expanduser())
    if data_set.kind != "tracks":
        raise errors.BadInput(
            f"{data.name} has {data_set.kind}, not sequences of people"
        )
    skipped: list[str] | None = [] if data.skip_corrupt else None
    read = [
        (data_set.read or tracks.read_track)(
            sequence,
            skeleton=data.skeleton,
            stored_points=max(data.stored_points, data.num_points),
            skipped=skipped,
            crop_size=data.crop_size,
        )
        for sequence in data_set.sequences[split]
    ]
    for line in [*data_set.skipped, *(skipped or ())]:
        print(f"skipped: {line}")
    return read, data_set.protocol
