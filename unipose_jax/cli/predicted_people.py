"""The people that `predict` follows in a recording, and their 2D keypoints."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import everyone as everyone_lib
from data_pipelines.sequences import people as people_lib
from data_pipelines.sequences import person_keypoints, tracks
from unipose_jax import errors, estimator


class Person(NamedTuple):
    """The person in each frame of a recording."""

    clouds: Iterator[tracks.PersonCloud]
    keypoints: people_lib.Keypoints | None = None  # for the network


def one(
    network: estimator.Estimator, opened: recording.Recording, *, use_keypoints: bool
) -> Person:
    """The person to follow, chosen by masks, keypoints, or the depth of all frames.

    Args:
        network: its skeleton is that of the keypoints, if it takes some.
        opened: the recording.
        use_keypoints: False ignores 2D keypoints of the recording.

    Raises:
        errors.BadInput: a frame cannot be read.
    """
    if opened.mask(0) is not None:
        keypoints = read_keypoints(network, opened) if use_keypoints else None
        return Person(tracks.person_clouds(opened), keypoints)
    keypoints = _read(network, opened) if use_keypoints else None
    if keypoints is not None:
        named = int(keypoints.confidence.any(axis=1).sum())
        print(f"2D keypoints choose the person in {named} of {len(opened)} frames")
    found = everyone_lib.find(opened, keypoints, progress=True)
    for note in found.notes:
        errors.warn(note)
    cloud = everyone_lib.clouds(opened, found)
    if found.notes or not network.takes_keypoints:
        keypoints = None
    keypoints = person_keypoints.checked(opened, keypoints, cloud)
    return Person(map(cloud, range(len(opened))), keypoints)


def everyone(
    network: estimator.Estimator, opened: recording.Recording, *, use_keypoints: bool
) -> list[Person]:
    """All people, the most evident first; arguments as of `one`."""
    found = everyone_lib.find(opened, progress=True)
    keypoints: list[people_lib.Keypoints | None] = [None] * len(found.everyone)
    if use_keypoints and network.takes_keypoints:
        try:
            keypoints = person_keypoints.of_everyone(opened, found, network.skeleton)
        except errors.BadInput as error:
            warn_unused(error)
    people = []
    for number, own in enumerate(keypoints):
        cloud = everyone_lib.clouds(opened, found, number)
        own = person_keypoints.checked(opened, own, cloud)
        people.append(Person(map(cloud, range(len(opened))), own))
    return people


def read_keypoints(
    network: estimator.Estimator, opened: recording.Recording
) -> people_lib.Keypoints | None:
    """2D keypoints of the person to follow, if the network takes them.

    If the recording has masks, the keypoints are compared with the masked person.

    Args:
        network: its skeleton is that of the keypoints.
        opened: the recording.

    Returns:
        None without any, and, with a warning, where they cannot be used.
    """
    return _read(network, opened) if network.takes_keypoints else None


def describe_keypoints(
    opened: recording.Recording,
    keypoints: people_lib.Keypoints,
    used: np.ndarray,
    found: np.ndarray,
    skeleton: str,
) -> str:
    """One line: how many frames had keypoints as input, and which joints have none.

    Args:
        opened: the recording.
        keypoints: of the person.
        used: (frames,), where the network had them.
        found: (frames,), where the person was found.
        skeleton: of the network.
    """
    given = keypoints.confidence.any(axis=1)
    detected = opened.keypoint_detections()
    source = detected.joints.name if detected is not None else skeleton
    line = f"2D keypoints ({source}) are an input in {used.sum()} of {len(used)} frames"
    if beside := int((given & found & ~used).sum()):
        line += f"; in {beside} they lie beside the person"
    if hidden := int((given & ~found).sum()):
        line += f"; {hidden} with keypoints show nobody in depth"
    if lacking := opened.missing_joints(skeleton):
        line += f"; none for {', '.join(lacking)}"
    return line


def _read(
    network: estimator.Estimator, opened: recording.Recording
) -> people_lib.Keypoints | None:
    """2D keypoints of the person to follow; None, and a warning, if unreadable."""
    try:
        keypoints = tracks.read_keypoints(opened, network.skeleton)
    except errors.BadInput as error:
        warn_unused(error)
        return None
    known = keypoints is not None and keypoints.confidence.any()
    return keypoints if known else None


def warn_unused(error: errors.BadInput) -> None:
    """Prints one line about keypoints that cannot be read, once."""
    errors.warn(f"keypoints are not used: {error}")
