"""Joint orders of 2D detectors that are not among the skeletons of this package.

They have no tree, because a conversion by joint name needs none. Joints that no
skeleton of this package has (toes, fingers) keep their names and are not used.
"""

from collections.abc import Sequence

from unipose_jax import skeleton as skeletons


def joint_order(name: str, joints: Sequence[str]) -> skeletons.Skeleton:
    """Makes a joint order without a tree.

    Raises:
        ValueError: a joint occurs twice.
    """
    return skeletons.Skeleton(name, tuple(joints), (-1,) * len(joints))


# CMU-Perceptual-Computing-Lab/openpose, doc/02_output.md. Its neck is the midpoint
# of the shoulders.
_OPENPOSE_COCO = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow"
    " left_wrist right_hip right_knee right_ankle left_hip left_knee left_ankle"
    " right_eye left_eye right_ear left_ear"
).split()
_OPENPOSE_BODY25 = (
    *_OPENPOSE_COCO[:8],
    "pelvis",
    *_OPENPOSE_COCO[8:],
    *"left_big_toe left_small_toe left_heel".split(),
    *"right_big_toe right_small_toe right_heel".split(),
)
OPENPOSE18 = joint_order("OPENPOSE18", _OPENPOSE_COCO)
OPENPOSE25 = joint_order("OPENPOSE25", _OPENPOSE_BODY25)

# Fang-Haoshu/Halpe-FullBody, README.md. Its "head" is the top of the head: MMPose
# trains this joint on head_top of AIC and MPII (body8-halpe26 configs).
HALPE26 = joint_order(
    "HALPE26",
    (
        *skeletons.COCO17.joints,
        *"head_top neck pelvis left_big_toe right_big_toe".split(),
        *"left_small_toe right_small_toe left_heel right_heel".split(),
    ),
)

# The same with 68 points of the face and 21 of each hand.
HALPE136 = joint_order(
    "HALPE136", (*HALPE26.joints, *(f"halpe_{joint}" for joint in range(26, 136)))
)

# jin-s13/COCO-WholeBody: COCO17, then feet, face and hands.
WHOLEBODY133 = joint_order(
    "WHOLEBODY133",
    (*skeletons.COCO17.joints, *(f"wholebody_{joint}" for joint in range(17, 133))),
)

# google-ai-edge/mediapipe, Pose Landmarker. Its "foot_index" is the tip of the toes.
MEDIAPIPE33 = joint_order(
    "MEDIAPIPE33",
    (
        *"nose left_eye_inner left_eye left_eye_outer right_eye_inner".split(),
        *"right_eye right_eye_outer left_ear right_ear mouth_left mouth_right".split(),
        *(
            f"{side}_{joint}"
            for joint in (
                *"shoulder elbow wrist pinky index thumb hip knee ankle heel".split(),
                "foot_index",
            )
            for side in ("left", "right")
        ),
    ),
)
