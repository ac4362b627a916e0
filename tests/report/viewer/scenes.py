"""A scene of two people with everything that a viewer can show."""

import numpy as np

from unipose_jax.report.viewer import scene

CAMERA = scene.Camera(
    width=80, height=60, intrinsics=np.array([70.0, 70.0, 40.0, 30.0])
)
FRAMES = 3


def make(*, points=40, name="two people"):
    """Three frames; the second person has neither truth nor keypoints."""
    rng = np.random.default_rng(0)
    body = rng.uniform((-0.4, -0.8, 2.3), (0.4, 0.8, 2.7), (15, 3))
    xyz = np.stack([body + (0.1 * step, 0.0, 0.0) for step in range(FRAMES)])
    confidence = np.linspace(0.2, 1.0, FRAMES * 15).reshape(FRAMES, 15)

    def clouds():
        return [
            scene.Cloud(
                xyz=pose[rng.integers(0, 15, points)]
                + rng.normal(0, 0.03, (points, 3)),
                rgb=rng.integers(0, 255, (points, 3), np.uint8),
            )
            for pose in xyz
        ]

    first = scene.Person(
        name="person 1",
        skeleton="ITOP15",
        poses=[
            scene.Poses(name="prediction", xyz=xyz, confidence=confidence),
            scene.Poses(name="truth", xyz=xyz + 0.03),
        ],
        quality=np.array([0.5, 0.6, 0.7]),
        keypoints=scene.Keypoints(
            uv=rng.uniform((20, 10), (60, 50), (FRAMES, 15, 2)),
            confidence=confidence,
            camera=CAMERA,
        ),
        clouds=clouds(),
    )
    beside = scene.Poses(name="prediction", xyz=xyz + (0.9, 0.0, 0.3))
    second = scene.Person(
        name="person 2", skeleton="ITOP15", poses=[beside], clouds=clouds()
    )
    images = list(rng.integers(0, 255, (FRAMES, 60, 80, 3), np.uint8))
    return scene.Scene(
        name=name,
        people=[first, second],
        time=np.array([5.0, 5.1, 5.2]),
        numbers=[6, 12, 18],
        depth_camera=CAMERA,
        pictures=scene.Pictures(images=images, camera=CAMERA),
        room=scene.Cloud(xyz=rng.uniform((-2, -1, 3), (2, 1, 3.2), (300, 3))),
        floor=np.array([0.0, -1.0, 0.0, 0.9]),
    )
