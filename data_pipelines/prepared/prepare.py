"""Converts a data set from its original files: `run.py --mode=prepare`.

Sequences are independent, so they are written in shards, by several processes or on
several machines that share the folder (`cluster`). After an interruption, only the
missing shards are written. The folder gets its final name when it is complete. The
output is deterministic: its bytes depend only on the data and the settings.
"""

import contextlib
import functools
import hashlib
import importlib
import json
import os
import pathlib
import shutil
import socket
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from data_pipelines.ground import file_io, settings
from data_pipelines.prepared import storage
from data_pipelines.readers import registry
from data_pipelines.sequences import sequence
from unipose_jax import cluster, errors
from unipose_jax import skeleton as skeletons

_SHARD_FRAMES = 400  # least number of frames per shard
_MAX_SHARDS = 256
_SHARED_FOLDER_SECONDS = 90  # until a network folder shows what others wrote
_NOTES = "notes"  # folder with the index entries of each shard, until all are complete


class Shard(NamedTuple):
    """Sequences that are written to one file."""

    path: pathlib.Path
    split: str
    sequences: Sequence[Any]
    kind: str  # `kind` and `read` are those of `sequence.DataSet`
    read: Callable | None

    @property
    def notes(self) -> pathlib.Path:
        """Path of the notes; the file exists when the shard is complete."""
        return self.path.parent / _NOTES / f"{self.path.name}.json"

    def num_frames(self) -> int:
        """Number of frames of the original sequences."""
        return sum(map(len, self.sequences))


def prepare(
    data: settings.DataSettings,
    source: pathlib.Path,
    *,
    engine: cluster.Engine = cluster.HERE,
) -> pathlib.Path:
    """Writes the data set of a config to disk, or continues an interrupted run.

    Args:
        data: with `data_dir`.
        source: folder of the original files.
        engine: where shards are written. Other machines see `source` and `data_dir` at
            the same paths.

    Returns:
        The complete folder.

    Raises:
        errors.BadInput: files are missing or cannot be read, or `data_dir` has the same
            data set prepared with other settings.
    """
    data_set = registry.open_data_set(data, source)
    fingerprint = _fingerprint(data, data_set)
    folder = storage.folder_of(data)
    if folder.exists():
        _verify(folder, fingerprint)
        return folder
    aside = folder.with_name(f".{folder.name}.{fingerprint}")
    shards = make_shards(aside, data_set)
    (aside / _NOTES).mkdir(parents=True, exist_ok=True)
    _write_missing(shards, data, engine)
    _complete(aside, shards, data, data_set, fingerprint)
    os.replace(aside, folder)
    return folder


def summary(folder: pathlib.Path) -> str:
    """Summary of a prepared data set: a table of splits, and the protocol."""
    index = storage.read_index(folder)
    lines = [
        f"{'split':12}{'sequences':>10}{'people':>8}{'frames':>9}{'with person':>13}"
        f"{'with 2D':>9}{'with 3D':>9}"
    ]
    for split, entries in index["splits"].items():
        total = {
            key: sum(entry[key] for entry in entries)
            for key in ("frames", "with_points", "with_keypoints", "with_joints")
        }
        people = len({entry["subject"] for entry in entries})
        lines.append(
            f"{split:12}{len(entries):10}{people:8}{total['frames']:9}"
            f"{total['with_points']:13}{total['with_keypoints']:9}{total['with_joints']:9}"
        )
    lines += [f"skipped: {line}" for line in index["skipped"]]
    if index["skipped"]:
        lines.append(f"{len(index['skipped'])} files or frames skipped")
    return "\n".join([*lines, index["protocol"], f"prepared: {folder}"])


def make_shards(folder: pathlib.Path, data_set: sequence.DataSet) -> list[Shard]:
    """Divides the sequences of each split into shards of consecutive sequences."""
    shards = []
    for split in sequence.SPLITS:
        groups: list[list[Any]] = []
        listed = data_set.sequences.get(split, ())
        enough = max(_SHARD_FRAMES, sum(map(len, listed)) // _MAX_SHARDS)
        for one in listed:
            if not groups or sum(map(len, groups[-1])) >= enough:
                groups.append([])
            groups[-1].append(one)
        shards += [
            Shard(
                folder / f"{data_set.name}-{split}.array_record"
                f"-{number:05d}-of-{len(groups):05d}",
                split,
                group,
                data_set.kind,
                data_set.read,
            )
            for number, group in enumerate(groups)
        ]
    return shards


def write_shard(shard: Shard, data: settings.DataSettings) -> None:
    """Writes the frames of a shard, and then its notes.

    Args:
        shard: the shard to write.
        data: settings: `skip_corrupt`, and those that the records use.
    """
    from array_record.python import array_record_module
    from tensorflow_datasets.core import example_serializer

    kind = _kind(shard.kind)
    features = _features(shard.kind, data)
    serializer = example_serializer.ExampleSerializer(features.get_serialized_info())
    skipped: list[str] | None = [] if data.skip_corrupt else None
    entries = []
    # A worker that was taken for lost may still be writing.
    partial = shard.path.with_name(
        f"{shard.path.name}.{socket.gethostname()}.{os.getpid()}"
    )
    writer = array_record_module.ArrayRecordWriter(str(partial), "group_size:1")
    for one in shard.sequences:
        try:
            entry, records = kind.records(one, data, skipped, shard.read)
        except errors.BadInput as error:
            if skipped is None:
                raise
            skipped.append(str(error))
            continue
        for record in records:
            example = serializer.get_tf_example(features.encode_example(record))
            # Without sorting, the order of fields differs between processes.
            with _disk_errors():
                writer.write(example.SerializeToString(deterministic=True))
        if entry["frames"]:
            entries.append(entry)
    with _disk_errors():
        writer.close()
    os.replace(partial, shard.path)
    file_io.write_json(shard.notes, {"sequences": entries, "skipped": skipped or []})


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """Converts a RuntimeError of array_record, e.g. on a full disk, to OSError."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(str(error).partition(";")[0]) from error


def _kind(name: str) -> types.ModuleType:
    """Module of this package for the records of a kind of data set."""
    modules = {"tracks": "track_records", "images": "image_records"}
    return importlib.import_module(f"data_pipelines.prepared.{modules[name]}")


def _features(kind: str, data: settings.DataSettings):
    """TFDS features of a record of a data set."""
    num_joints = skeletons.by_name(data.skeleton).num_joints
    options = {"crops": True} if kind == "tracks" and data.crop_size else {}
    return _kind(kind).features(num_joints, **options)


def _write_missing(
    shards: Sequence[Shard], data: settings.DataSettings, engine: cluster.Engine
) -> None:
    """Writes the missing shards, with a progress bar of frames."""
    todo = [shard for shard in shards if not shard.notes.exists()]
    total = sum(shard.num_frames() for shard in shards)
    written = cluster.map_tasks(
        functools.partial(write_shard, data=data),
        todo,
        engine=engine,
        title="prepare",
        unit="frame",
        describe=lambda shard: shard.path.name,
        size=Shard.num_frames,
        done=total - sum(shard.num_frames() for shard in todo),
    )
    for _ in written:
        pass
    waited_until = time.monotonic() + _SHARED_FOLDER_SECONDS
    for shard in todo:
        while not shard.notes.exists():
            if time.monotonic() > waited_until:
                raise errors.BadInput(
                    f"a worker wrote {shard.notes}, which is not here; all machines "
                    "must share the folder of --data_dir"
                )
            time.sleep(0.5)


def _complete(
    folder: pathlib.Path,
    shards: Sequence[Shard],
    data: settings.DataSettings,
    data_set: sequence.DataSet,
    fingerprint: str,
) -> None:
    """Writes the index and the TFDS files, and removes temporary files."""
    notes = [json.loads(shard.notes.read_text()) for shard in shards]
    splits: dict[str, list[dict[str, Any]]] = {}
    for shard, note in zip(shards, notes, strict=True):
        splits.setdefault(shard.split, []).extend(note["sequences"])
    if not any(splits.values()):
        raise errors.BadInput(f"{data_set.name} has no readable frame")
    wanted = {shard.path for shard in shards}
    for path in folder.iterdir():
        if path.is_file() and path not in wanted:
            path.unlink()  # left by a killed process
    _write_tfds(folder, shards, notes, data, data_set)
    shutil.rmtree(folder / _NOTES)
    file_io.write_json(
        folder / storage.INDEX,
        {
            "format": storage.FORMAT,
            "name": data_set.name,
            "kind": data_set.kind,
            "variant": data.variant,
            "skeleton": data.skeleton,
            "protocol": data_set.protocol,
            "fingerprint": fingerprint,
            "splits": splits,
            "skipped": [*data_set.skipped, *(s for n in notes for s in n["skipped"])],
            "files": {path.name: _digest(path) for path in sorted(folder.iterdir())},
        },
    )


def _write_tfds(
    folder: pathlib.Path,
    shards: Sequence[Shard],
    notes: Sequence[Mapping[str, Any]],
    data: settings.DataSettings,
    data_set: sequence.DataSet,
) -> None:
    """Writes features.json and dataset_info.json, so that TFDS can read the folder."""
    import tensorflow_datasets as tfds

    infos = []
    for split in sequence.SPLITS:
        mine = [(s, n) for s, n in zip(shards, notes, strict=True) if s.split == split]
        if mine:
            template = tfds.core.ShardedFileTemplate(
                data_dir=str(folder),
                dataset_name=data_set.name,
                split=split,
                filetype_suffix="array_record",
            )
            infos.append(
                tfds.core.SplitInfo(
                    name=split,
                    shard_lengths=[
                        sum(entry["frames"] for entry in note["sequences"])
                        for _, note in mine
                    ],
                    num_bytes=sum(shard.path.stat().st_size for shard, _ in mine),
                    filename_template=template,
                )
            )
    tfds.folder_dataset.write_metadata(
        data_dir=str(folder),
        features=_features(data_set.kind, data),
        split_infos=infos,
        check_data=False,
    )


def _verify(folder: pathlib.Path, fingerprint: str) -> None:
    """Checks that a complete data set has the same settings and is not damaged."""
    index = storage.read_index(folder)
    if index["fingerprint"] != fingerprint:
        raise errors.BadInput(
            f"{folder} was prepared from other files or with other settings; remove it "
            "or choose another --data_dir"
        )
    storage.check_sizes(folder, index)
    for name, entry in index["files"].items():
        if _digest(folder / name) != entry:
            raise errors.BadInput(f"{folder / name} has changed; remove {folder}")


def _fingerprint(data: settings.DataSettings, data_set: sequence.DataSet) -> str:
    """Digest of settings, keypoints, and names and lengths of all sequences."""
    chosen = (data.name, data.variant, data.skeleton, data.stored_points)
    listed = {
        split: [(one.name, one.subject, len(one)) for one in sequences]
        for split, sequences in data_set.sequences.items()
    }
    source_settings = [data.keypoints, dict(data_set.source_settings)]
    if data.keypoints:
        found = sorted(pathlib.Path(data.keypoints).expanduser().rglob("*.json"))
        source_settings.append(file_io.digest(found))
    if data.crop_size:
        source_settings.append({"crop_size": data.crop_size})
    text = json.dumps([storage.FORMAT, chosen, source_settings, listed])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(path: pathlib.Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}
