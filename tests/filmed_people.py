"""Rendered people as recordings, for tests."""

import numpy as np

from data_pipelines.cameras import calibration
from data_pipelines.ground import pose_file
from data_pipelines.readers.recordings import recording
from data_pipelines.sequences import sequence
from unipose_jax import skeleton


def of_skeleton(clips, name):
    """Clips with the joints of one skeleton."""
    xyz = np.asarray(skeleton.convert(clips["xyz"], "BODY", name)[0])
    seen = clips["visible"][..., None].astype(np.float32)
    visible = np.asarray(skeleton.convert(seen, "BODY", name)[0])[..., 0] > 0
    return clips | {"xyz": xyz, "visible": visible}


def write(folder, people):
    """A recording for each split, with joints and a detector's keypoints."""
    people = of_skeleton(people, "COCO17")
    for clip, split in enumerate(sequence.SPLITS):
        one = {name: value[clip] for name, value in people.items()}
        size = one["depth"].shape[2:0:-1]
        lens = calibration.make_camera(*size, one["intrinsics"])
        seen = one["xyz"] @ one["cam_from_points"][:3, :3].T
        uv = lens.project(seen + one["cam_from_points"][:3, 3])
        known = np.isfinite(uv).all(-1, keepdims=True)
        found = np.concatenate([np.nan_to_num(uv), known], axis=-1)
        (folder / split).mkdir(parents=True)
        recording.write_recording(
            folder / split / "person",
            depth=one["depth"],
            depth_camera=calibration.make_camera(*size, one["depth_intrinsics"]),
            fps=30.0,
            color=one["color"],
            color_camera=lens,
            color_from_depth=one["cam_from_points"],
            mask=one["mask"],
            keypoints=[
                {"image_id": frame, "keypoints": joints.ravel().tolist(), "score": 1.0}
                for frame, joints in enumerate(found)
            ],
            joints=pose_file.PoseFile(
                xyz=np.nan_to_num(one["xyz"]),
                confidence=known[..., 0].astype(np.float32),
                skeleton="COCO17",
                time=np.arange(len(uv)) / 30,
                valid=known[..., 0],
            ),
        )
