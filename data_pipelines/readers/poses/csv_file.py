"""CSV files with one row per frame and joint.

Columns: frame, time, joint, x, y, z, confidence, valid, in any order. Metres, seconds.
"""

import collections
import csv
import io
import pathlib

import numpy as np

from data_pipelines.ground import pose_file
from data_pipelines.readers.poses import array_file
from unipose_jax import atomic, errors
from unipose_jax import skeleton as skeletons
from unipose_jax.skeleton import names

COLUMNS = ("frame", "time", "joint", "x", "y", "z", "confidence", "valid")
_OTHER_NAMES = {
    "timestamp": "time",
    "t": "time",
    "frame_id": "frame",
    "joint_name": "joint",
    "keypoint": "joint",
    "landmark": "joint",
    "name": "joint",
    "score": "confidence",
    "visibility": "confidence",
}
_YES, _NO = {"1", "true", "yes"}, {"0", "false", "no"}
_MAX_BYTES = 2 << 30


def read(
    path: pathlib.Path, skeleton: skeletons.Skeleton | None, fps: float | None
) -> pose_file.PoseFile:
    """Reads poses from CSV; a joint without a row in a frame is missing there.

    Args:
        path: the file; columns may be separated by commas, semicolons or tabs.
        skeleton: of the joints; None: found from their names.
        fps: frames per second, if the file has no times.

    Raises:
        errors.BadInput: names the first wrong line.
    """
    rows, columns = _rows(path)
    frames = _frames(rows, columns, path)
    body = _skeleton(rows, skeleton, path)
    shape = (len(frames), body.num_joints)
    xyz = np.full((*shape, 3), np.nan)
    confidence, valid = np.zeros(shape), np.zeros(shape, bool)
    time = np.full(len(frames), np.nan)
    place = {joint: names.find_joint(joint, body) for joint in _joints(rows)}
    seen: dict[tuple[int, int], int] = {}
    for line, row in rows:
        key = (frames[_frame_key(row)], _place(row["joint"], place, body, path, line))
        if key in seen:
            raise errors.BadInput(
                f"{path}: lines {seen[key]} and {line} are the same joint of the same "
                "frame; the file must hold one person"
            )
        seen[key] = line
        xyz[key] = [_number(row, axis, path, line) for axis in "xyz"]
        finite = bool(np.isfinite(xyz[key]).all())
        valid[key] = finite and _flag(row, path, line)
        confidence[key] = (
            _number(row, "confidence", path, line) if "confidence" in row else finite
        )
        if not valid[key]:
            confidence[key] = np.nan_to_num(confidence[key])
        if "time" in columns:
            _set_time(time, key[0], _number(row, "time", path, line), path, line)
    if "time" not in columns:
        time = array_file.frame_times(path, len(frames), fps)
    elif np.isfinite(time).all() and not any("." in row["time"] for _, row in rows):
        time = time.astype(np.int64)  # may count frames
    pose = pose_file.PoseFile(
        xyz=xyz,
        confidence=confidence,
        skeleton=body.name,
        time=time,
        valid=valid,
        frame=_frame_numbers(frames, columns, path),
    )
    return pose_file.as_read(pose, str(path))


def write(path: pathlib.Path, pose: pose_file.PoseFile) -> list[str]:
    """Writes poses as CSV; a missing joint has empty cells.

    Returns:
        One line for each field that is left out.

    Raises:
        errors.BadInput: the file cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    joints, known = skeletons.by_name(pose.skeleton).joints, pose.is_valid()
    frames = np.arange(len(pose)) if pose.frame is None else pose.frame
    for i, frame in enumerate(frames.tolist()):
        stamp = f"{pose.time[i]:.9f}"
        for j, joint in enumerate(joints):
            finite = np.isfinite(pose.xyz[i, j]).all()
            place = [f"{value:.6f}" if finite else "" for value in pose.xyz[i, j]]
            sure = f"{pose.confidence[i, j]:.6g}"
            table.writerow([frame, stamp, joint, *place, sure, int(known[i, j])])
    atomic.write_text(path, text.getvalue())
    left = [n for n in ("uv", "intrinsics", "quality") if getattr(pose, n) is not None]
    return [f"CSV holds no {' and no '.join(left)}: left out"] if left else []


def _rows(path: pathlib.Path) -> tuple[list[tuple[int, dict[str, str]]], set[str]]:
    """(line, cells by column) of each row, and the columns."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise errors.BadInput(f"{path} is larger than 2 GiB")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise errors.BadInput(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise errors.BadInput(f"{path} is not text in UTF-8") from error
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        header = [_OTHER_NAMES.get(cell, cell) for cell in header]
        _check_header(header, path)
        rows = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise errors.BadInput(
                    f"{path}: line {reader.line_num} has {len(cells)} cells, the "
                    f"header {len(header)}"
                )
            stripped = (cell.strip() for cell in cells)
            rows.append((reader.line_num, dict(zip(header, stripped, strict=True))))
    except csv.Error as error:
        raise errors.BadInput(f"{path}: line {reader.line_num}: {error}") from error
    if not rows:
        raise errors.BadInput(f"{path} has no rows")
    return rows, set(header)


def _check_header(header: list[str], path: pathlib.Path) -> None:
    missing = [name for name in ("joint", "x", "y", "z") if name not in header]
    if not {"frame", "time"} & set(header):
        missing.append("frame or time")
    if missing:
        raise errors.BadInput(
            f"{path} has no column {', '.join(missing)}; expected one row per frame and"
            f" joint with the columns {', '.join(COLUMNS)}"
        )
    twice = [name for name, n in collections.Counter(header).items() if n > 1]
    if twice:
        raise errors.BadInput(f"{path} has the column {twice[0]!r} twice")
    if ignored := [name for name in header if name not in COLUMNS]:
        errors.warn(f"{path}: ignored columns {ignored}")


def _frame_key(row: dict[str, str]) -> str:
    return row.get("frame", row.get("time", ""))


def _frames(rows: list, columns: set[str], path: pathlib.Path) -> dict[str, int]:
    """Number of each frame from 0, in the order of their numbers or times."""
    name = "frame" if "frame" in columns else "time"
    values = {}
    for line, row in rows:
        key = _frame_key(row)
        if key not in values:
            values[key] = _number(row, name, path, line)
            if not np.isfinite(values[key]):
                raise errors.BadInput(f"{path}: line {line} has no {name}")
    return {key: i for i, key in enumerate(sorted(values, key=values.__getitem__))}


def _frame_numbers(
    frames: dict[str, int], columns: set[str], path: pathlib.Path
) -> np.ndarray | None:
    if "frame" not in columns:
        return None
    numbers = np.array([float(key) for key in frames])
    if (numbers != np.round(numbers)).any() or (np.diff(numbers) <= 0).any():
        raise errors.BadInput(f"{path}: frames must be whole numbers, written one way")
    return numbers.astype(np.int64)


def _joints(rows: list) -> list[str]:
    return list(dict.fromkeys(row["joint"] for _, row in rows))


def _skeleton(
    rows: list, skeleton: skeletons.Skeleton | None, path: pathlib.Path
) -> skeletons.Skeleton:
    joints = _joints(rows)
    if skeleton is not None:
        return skeleton
    if all(joint.isdigit() for joint in joints):
        raise errors.BadInput(f"{path} numbers the joints: give --skeleton")
    try:
        return names.find_skeleton(joints)
    except ValueError as error:
        raise errors.BadInput(f"{path}: {error}; give --skeleton") from error


def _place(
    joint: str,
    place: dict[str, int | None],
    body: skeletons.Skeleton,
    path: pathlib.Path,
    line: int,
) -> int:
    found = place[joint]
    if found is None and joint.isdigit() and int(joint) < body.num_joints:
        found = int(joint)
    if found is None:
        raise errors.BadInput(
            f"{path}: line {line}: {body.name} has no joint {joint!r}"
        )
    return found


def _number(row: dict[str, str], name: str, path: pathlib.Path, line: int) -> float:
    """The number in a cell; an empty one is NaN."""
    text = row[name]
    try:
        return float(text) if text else float("nan")
    except ValueError as error:
        hint = " (decimal comma? Use a point)" if text.count(",") == 1 else ""
        raise errors.BadInput(
            f"{path}: line {line}: {name} is {text!r}, expected a number{hint}"
        ) from error


def _flag(row: dict[str, str], path: pathlib.Path, line: int) -> bool:
    text = row.get("valid", "1").lower()
    if text in _YES | _NO:
        return text in _YES
    raise errors.BadInput(f"{path}: line {line}: valid is {text!r}, expected 0 or 1")


def _set_time(
    time: np.ndarray, frame: int, value: float, path: pathlib.Path, line: int
) -> None:
    if np.isfinite(time[frame]) and time[frame] != value:
        raise errors.BadInput(
            f"{path}: line {line}: the time differs from that of other joints of the "
            "frame"
        )
    time[frame] = value
