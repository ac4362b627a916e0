"""Training batches and evaluation splits from data settings."""

import dataclasses
import pathlib

from data_pipelines.ground import settings
from data_pipelines.readers import registry
from unipose_jax import errors


def open_train(
    data: settings.DataSettings,
    *,
    seed: int,
    batch_size: int,
    host: int,
    hosts: int,
    teacher=None,
):
    """Opens an infinite iterator of training batches for one host.

    Args:
        data: settings of the data.
        seed: seed of the order of the examples.
        batch_size: examples per global batch.
        host: index of this host.
        hosts: number of hosts.
        teacher: object with `label_source(source)` and `label_batches(batches)`, which
            return the same clips with additional fields. None adds no fields.

    Returns:
        An iterator of batches (schema fields; NumPy arrays, or device arrays for
        freshly rendered clips) with `get_state()` and `set_state(state)`. The state is
        JSON-serialisable.

    Raises:
        errors.BadInput: `data.name` is unknown, or its files are invalid.
    """
    from data_pipelines.loading import loader

    share = {"batch_size": batch_size, "host": host, "hosts": hosts}
    if data.renders and not data.image_collections:
        _check_rendered(data)
        if data.train_clips == 0:
            from data_pipelines.loading import rendered_batches

            fresh = rendered_batches.render_batches(data, **share)
            fresh = teacher.label_batches(fresh) if teacher else fresh
            return loader.Loader(fresh, prefetch=0)
    batches = loader.batch(_open_examples(data, teacher, seed=seed), **share)
    in_memory = data.renders or data.image_collections
    return loader.Loader(batches, workers=0 if in_memory else data.workers)


def _check_rendered(data: settings.DataSettings) -> None:
    """Refuses settings that clips rendered in this run cannot have."""
    if data.mixture:
        raise errors.BadInput(
            "config.data.mixture needs prepared data sets (--data_dir); prepare "
            "rendered people with --mode=prepare"
        )
    if data.train_clips == 0 and data.labeled_fraction != 1.0:
        raise errors.BadInput(
            f"config.data.labeled_fraction={data.labeled_fraction} needs a fixed "
            "number of clips; set config.data.train_clips, which is 0 (fresh clips "
            "at each step)"
        )


def _open_examples(data: settings.DataSettings, teacher, *, seed: int):
    """Endless training examples, with the other data sets of the mixture."""
    from data_pipelines.loading import loader

    if data.image_collections:
        from data_pipelines.loading import multi_person_images

        collections = multi_person_images.open_train(data)
        weights = [one.weight for one in data.image_collections]
        return loader.mix(collections, weights, seed=seed)
    shares = data.mixture_shares
    if not shares:
        return loader.shuffle(_open_labeled(data, teacher), seed=seed)
    if not data.data_dir:
        raise errors.BadInput(
            "config.data.mixture needs prepared data sets (--data_dir)"
        )
    listed = ", ".join(f"{share:.0%} {name}" for name, share in shares.items())
    print(f"training examples: {listed}, the rest from the main data set")
    all_settings = [data, *(other_settings(data, name) for name in shares)]
    opened = [_open_labeled(one, teacher) for one in all_settings]
    return loader.mix(opened, [1.0 - sum(shares.values()), *shares.values()], seed=seed)


def other_settings(data: settings.DataSettings, name: str) -> settings.DataSettings:
    """Settings of another data set of the mixture, which is in the same `data_dir`.

    Args:
        data: settings of the main data set.
        name: "name" or "name/variant", as in `data.mixture_shares`.
    """
    name, _, variant = name.partition("/")
    return dataclasses.replace(data, name=name, variant=variant, mixture="")


def _open_labeled(data: settings.DataSettings, teacher):
    """Training examples of one data set, or their labelled subset."""
    from data_pipelines.loading import label_subset

    source = open_split(data, "train")
    if not data.renders:
        source.check_supervision(has_teacher=teacher is not None)
    source = label_subset.labeled_subset(source, data.labeled_fraction, seed=data.seed)
    return teacher.label_source(source) if teacher else source


def open_split(data: settings.DataSettings, split: str):
    """Opens a split as a source: `len(source)`, `source[index]`, `source.protocol`.

    Args:
        data: settings of the data.
        split: "train", "validation" or "test"; splits share no frames.

    Raises:
        errors.BadInput: `data.name` is unknown, or its files are invalid.
    """
    if data.image_collections:
        from data_pipelines.loading import multi_person_images

        return multi_person_images.open_split(data, split)
    if data.renders:
        from data_pipelines.rendered import clip_pool

        return clip_pool.open_pool(data, split)
    source = _open_clips(data, split)
    if not len(source):
        where = data.data_dir or data.path
        raise errors.BadInput(f"{where} is too short for a {split} split")
    return source


def _open_clips(data: settings.DataSettings, split: str):
    """Opens clips of recorded people, from prepared or original files."""
    from data_pipelines.loading import clip_source

    if data.data_dir:
        from data_pipelines.prepared import track_records

        tracks, protocol = track_records.open_tracks(data, split)
    else:
        tracks, protocol = _read_tracks(data, split)
    if not data.num_points:
        return _pose_clips(tracks, data, split, protocol)
    return clip_source.ClipSource(
        tracks,
        num_frames=data.frames,
        num_points=data.num_points,
        frame_step=data.frame_step,
        max_interval=data.max_interval,
        protocol=protocol,
    )


def _pose_clips(tracks, data: settings.DataSettings, split: str, protocol: str):
    """Clips without points; labels of the labelled subjects only, for training."""
    from data_pipelines.loading import added_people, pose_clips

    labeled_subjects = data.labeled_subject_names if split == "train" else ()
    if labeled_subjects and not data.use_unlabeled_keypoints:
        tracks = [track for track in tracks if track.subject in labeled_subjects]
    if data.added_people and split == "train":
        tracks = [*tracks, *added_people.make_tracks(tracks, data)]
        labeled_subjects = labeled_subjects and (
            *labeled_subjects,
            added_people.SUBJECT,
        )
    return pose_clips.PoseClips(
        tracks,
        num_frames=data.frames,
        frame_step=data.frame_step,
        max_interval=data.max_interval,
        labeled_subjects=labeled_subjects,
        protocol=protocol,
    )


def _read_tracks(data: settings.DataSettings, split: str):
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
