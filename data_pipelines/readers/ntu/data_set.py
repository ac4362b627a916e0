"""NTU RGB+D 60: Kinect v2 clips of 40 persons, 60 actions, three Kinects at a time.

`files` finds the files and `skeleton_file` reads the skeletons. The ground truth is the
output of Kinect's tracker, and so are the 2D keypoints, unless files of a 2D detector
are given.
"""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Iterable, Mapping

import numpy as np
import tqdm
from scipy import spatial

from data_pipelines.ground import pose_file, settings
from data_pipelines.keypoints import detections
from data_pipelines.readers.ntu import files, skeleton_file
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax import skeleton as skeletons

SKELETON = "NTU25"
# A. Shahroudy et al., NTU RGB+D, CVPR 2016.
TRAIN_SUBJECTS = (
    *(1, 2, 4, 5, 8, 9, 13, 14, 15, 16),
    *(17, 18, 19, 25, 27, 28, 31, 34, 35, 38),
)
TEST_CAMERA = 1
VALIDATION_SUBJECTS = TRAIN_SUBJECTS[4::10]

_TEST_PART = {
    "cross_subject": "the persons outside the official list of 20 for training",
    "cross_view": f"camera {TEST_CAMERA}, all persons",
}
FPS = 30.0
_SAME_CAMERA = np.eye(4, dtype=np.float32)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class PersonSequence(sequence.Sequence):
    """One tracked body of a clip, in the frames that include it; clips start at 1."""

    clip: str
    body: int  # index among the bodies of the clip
    skeleton_path: pathlib.Path
    depth_folder: pathlib.Path
    video: pathlib.Path | None
    keypoint_folder: str  # of a 2D detector; "" for the joints of Kinect's tracker

    def depth(self, index: int) -> np.ndarray:
        """Depth of a frame, metres, 0 outside the persons of the clip."""
        path = files.depth_path(self.depth_folder, self.frames[index])
        return files.read_depth(path)

    def color(self, index: int) -> np.ndarray | None:
        if self.video is None:
            return None
        return files.read_color(self.video, self.frames[index])

    def mask(self, index: int) -> np.ndarray:
        """Mask of the person: pixels with depth whose nearest joint is of this body."""
        depth = self.depth(index)
        mask = depth > 0
        joints = _joints_of_bodies(self.skeleton_path, self.frames[index])
        if len(joints) > 1 and mask.any():
            points = np.insert(self.rays[mask], 2, 1.0, axis=1) * depth[mask, None]
            owner = np.repeat(list(joints), [len(xyz) for xyz in joints.values()])
            tree = spatial.KDTree(np.concatenate(list(joints.values())))
            mask[mask] = owner[tree.query(points)[1]] == self.body
        return mask

    def joints(self) -> pose_file.PoseFile:
        """Output of Kinect's tracker; inferred joints have confidence 0.5."""
        body = _read_bodies(self.skeleton_path)[self.body]
        valid = body.confidence > 0
        return pose_file.PoseFile(
            xyz=np.where(valid[..., None], body.xyz, np.float32(np.nan)),
            confidence=body.confidence,
            skeleton=SKELETON,
            time=self.time,
            valid=valid,
            frame=np.asarray(self.frames),
        )

    def keypoint_detections(self) -> detections.Detections:
        """Detections of a 2D detector, or the tracker's joints as Kinect projects them.

        Detections include all people of the clip, in colour pixels. Tracker joints are
        those of this person, in colour pixels if there is a video, else depth pixels.
        """
        if self.keypoint_folder:
            path = sequence.detector_path(self.keypoint_folder, self.clip)
            return self.read_detections(path)
        body = _read_bodies(self.skeleton_path)[self.body]
        uv = body.uv_color if self.color_camera else body.uv_depth
        size = (self.keypoint_camera.width, self.keypoint_camera.height)
        inside = ((uv >= 0) & (uv < size)).all(axis=-1, keepdims=True)
        values = np.concatenate([uv, body.confidence[..., None]], axis=-1)
        known = inside & (values[..., 2:] > 0)
        values = np.where(known, values, np.array([np.nan, np.nan, 0], np.float32))
        people = {f: v[None] for f, v in zip(self.frames, values, strict=True)}
        return detections.Detections(skeletons.NTU25, people)


def open_data_set(
    source: pathlib.Path, data: settings.DataSettings
) -> sequence.DataSet:
    """Reads all skeletons and fits the cameras of each Kinect in each setup.

    Args:
        source: folder with the files, see `files`.
        data: `variant` is "cross_subject" or "cross_view".

    Raises:
        errors.BadInput: a file is missing, a file is corrupt (without
            `data.skip_corrupt`), or the number of clips is wrong (with
            `data.check_counts`).
    """
    if data.variant not in _TEST_PART:
        choices = " or ".join(map(repr, _TEST_PART))
        raise errors.BadInput(f"config.data.variant is {data.variant!r}; use {choices}")
    found = files.find(source)
    if data.check_counts:
        _check_count(found, source)
    sequences: dict[str, list[PersonSequence]] = {
        split: [] for split in sequence.SPLITS
    }
    skipped: list[str] = []
    cameras: dict[str, skeleton_file.KinectCalibration] = {}
    names = sorted(found.skeletons.keys() - found.unusable)
    with tqdm.tqdm(names, "read skeletons", unit="clip", leave=False) as progress:
        for kinect, clips in itertools.groupby(progress, key=lambda name: name[:8]):
            bodies = _read_bodies_of_clips(
                found, clips, skipped if data.skip_corrupt else None
            )
            matches = [
                skeleton_file.point_correspondences(b)
                for one in bodies.values()
                for b in one
            ]
            cameras[kinect] = skeleton_file.fit_cameras(matches)
            for clip, its_bodies in bodies.items():
                people = _people(
                    clip, its_bodies, found, cameras[kinect], data.keypoints
                )
                sequences[_split(clip, data.variant)] += people
    return sequence.DataSet(
        name="ntu_rgbd",
        sequences=sequences,
        protocol=" ".join([*_protocol(data, found), *_describe_fits(cameras)]),
        skipped=skipped,
    )


def _check_count(found: files.Files, source: pathlib.Path) -> None:
    count = len(found.skeletons.keys() | found.unusable)
    if count != files.NUM_CLIPS:
        raise errors.BadInput(
            f"{source} has {count} clips, but NTU RGB+D 60 has {files.NUM_CLIPS}; for a"
            " part of it set --config.data.check_counts=False"
        )


def _read_bodies_of_clips(
    found: files.Files, clips: Iterable[str], skipped: list[str] | None
) -> dict[str, tuple[skeleton_file.Body, ...]]:
    """Reads the bodies of each clip. A corrupt clip is skipped, or raises."""
    bodies = {}
    for clip in clips:
        try:
            if clip in found.videos and not found.videos[clip].stat().st_size:
                raise errors.BadInput(f"{found.videos[clip]} is empty")
            bodies[clip] = skeleton_file.read(found.skeletons[clip])
        except errors.BadInput as error:
            if skipped is None:
                raise
            skipped.append(str(error))
    return bodies


def _people(
    clip: str,
    bodies: Iterable[skeleton_file.Body],
    found: files.Files,
    cameras: skeleton_file.KinectCalibration,
    keypoint_folder: str,
) -> list[PersonSequence]:
    """Makes a sequence for each body of a clip."""
    # Detected keypoints are in colour pixels, even if the videos are missing.
    color = clip in found.videos or bool(keypoint_folder)
    return [
        PersonSequence(
            name=f"{clip}-{number}",
            subject=clip[8:12],
            frames=tuple(body.frames.tolist()),
            time=(body.frames - body.frames[0]) / FPS,
            depth_camera=cameras.depth,
            color_camera=cameras.color if color else None,
            color_from_depth=cameras.color_from_depth if color else _SAME_CAMERA,
            clip=clip,
            body=number,
            skeleton_path=found.skeletons[clip],
            depth_folder=found.depth[clip],
            video=found.videos.get(clip),
            keypoint_folder=keypoint_folder,
        )
        for number, body in enumerate(bodies)
    ]


def _split(clip: str, variant: str) -> str:
    camera, subject = int(clip[5:8]), int(clip[9:12])
    tested = {
        "cross_subject": subject not in TRAIN_SUBJECTS,
        "cross_view": camera == TEST_CAMERA,
    }
    if tested[variant]:
        return "test"
    return "validation" if subject in VALIDATION_SUBJECTS else "train"


def _protocol(data: settings.DataSettings, found: files.Files) -> list[str]:
    keypoints = "joints of the same tracker as projected by Kinect, not detections"
    if data.keypoints:
        keypoints = "detections"
    persons = " and ".join(map(str, VALIDATION_SUBJECTS))
    unusable = found.unusable & (found.skeletons.keys() | found.depth.keys())
    return [
        f"NTU RGB+D 60, {data.variant}: {_TEST_PART[data.variant]}, all frames with a"
        f" body, 25 joints; of the rest, persons {persons} are for validation.",
        "The ground truth is the output of Kinect's tracker, with inferred joints;"
        f" 2D keypoints are {keypoints}.",
        f"{len(unusable)} clips on the list of missing skeletons are excluded.",
    ]


def _describe_fits(cameras: Mapping[str, skeleton_file.KinectCalibration]) -> list[str]:
    """Reprojection errors of the cameras, and Kinects with too few joints to fit."""
    fitted = [c for c in cameras.values() if np.isfinite(c.depth_rms)]
    typical = [kinect for kinect, c in cameras.items() if np.isnan(c.depth_rms)]
    lines = []
    if fitted:
        depth = max(c.depth_rms for c in fitted)
        color = max(c.color_rms for c in fitted)
        lines.append(
            "Cameras are fitted for each setup and Kinect: RMS at most"
            f" {depth:.1g} px in depth and {color:.1g} px in colour."
        )
    if typical:
        names = files.format_names(typical)
        lines.append(
            f"Cameras of a typical Kinect v2, with too few joints to fit: {names}."
        )
    return lines


# Small, because the frames of one clip are read in order.
_read_bodies = functools.lru_cache(maxsize=2)(skeleton_file.read)


def _joints_of_bodies(path: pathlib.Path, frame: int) -> dict[int, np.ndarray]:
    """Joints of each known body in a frame: (joints, 3), metres."""
    joints = {}
    for number, body in enumerate(_read_bodies(path)):
        xyz = body.xyz[(body.frames == frame)[:, None] & (body.confidence > 0)]
        if len(xyz):
            joints[number] = xyz
    return joints
