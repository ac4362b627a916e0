import numpy as np
import pytest

from unipose_jax import skeleton

# A standing person 1.7 m tall, 2.8 m from the camera, metres.
STANDING = {
    "head": (0.0, -0.55, 2.8),
    "neck": (0.0, -0.33, 2.8),
    "torso": (0.0, -0.08, 2.8),
    "shoulder": (0.17, -0.33, 2.8),
    "elbow": (0.19, -0.03, 2.8),
    "hand": (0.19, 0.27, 2.78),
    "hip": (0.1, 0.17, 2.8),
    "knee": (0.1, 0.62, 2.79),
    "foot": (0.1, 1.05, 2.8),
}
FPS = 15.0


def turned(points, center, angle):
    """Rotates points about an axis through a centre, parallel to x; radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return (points - center) @ rotation.T + center


def make_person(frames):
    """ITOP15 joints of a person who swings arms and legs and moves sideways."""
    body = skeleton.ITOP15
    rest = []
    for name in body.joints:
        side, _, kind = name.rpartition("_")
        x, y, z = STANDING[kind]
        rest.append((x if side == "left" else -x if side else x, y, z))
    rest = np.array(rest)
    xyz = np.repeat(rest[None], frames, axis=0)
    limbs = {"shoulder": ("elbow", "hand"), "hip": ("knee", "foot")}
    for frame in range(frames):
        swing = 0.5 * np.sin(2.0 * np.pi * 0.4 * frame / FPS)
        for side, sign in (("left", 1.0), ("right", -1.0)):
            for root, ends in limbs.items():
                sense = sign if root == "hip" else -sign
                moved = [body.index(f"{side}_{end}") for end in ends]
                center = rest[body.index(f"{side}_{root}")]
                xyz[frame, moved] = turned(rest[moved], center, sense * swing)
        xyz[frame, :, 0] += 0.3 * np.sin(2.0 * np.pi * 0.1 * frame / FPS)
    return xyz.astype(np.float32)


@pytest.fixture(scope="session")
def person():
    """(60, 15, 3): bones of constant length, smooth motion, metres."""
    return make_person(60)
