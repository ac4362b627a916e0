"""Skeletons of trackers: joints in the order of the SDK, and their names."""

import re

import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.skeleton import names

# The joints as the SDK names and orders them.
SDK_ORDERS = {
    "AZUREKINECT32": """
        PELVIS SPINE_NAVEL SPINE_CHEST NECK CLAVICLE_LEFT SHOULDER_LEFT ELBOW_LEFT
        WRIST_LEFT HAND_LEFT HANDTIP_LEFT THUMB_LEFT CLAVICLE_RIGHT SHOULDER_RIGHT
        ELBOW_RIGHT WRIST_RIGHT HAND_RIGHT HANDTIP_RIGHT THUMB_RIGHT HIP_LEFT KNEE_LEFT
        ANKLE_LEFT FOOT_LEFT HIP_RIGHT KNEE_RIGHT ANKLE_RIGHT FOOT_RIGHT HEAD NOSE
        EYE_LEFT EAR_LEFT EYE_RIGHT EAR_RIGHT""",
    "KINECTV2": """
        SpineBase SpineMid Neck Head ShoulderLeft ElbowLeft WristLeft HandLeft
        ShoulderRight ElbowRight WristRight HandRight HipLeft KneeLeft AnkleLeft
        FootLeft HipRight KneeRight AnkleRight FootRight SpineShoulder HandTipLeft
        ThumbLeft HandTipRight ThumbRight""",
    "ZED18": """
        NOSE NECK RIGHT_SHOULDER RIGHT_ELBOW RIGHT_WRIST LEFT_SHOULDER LEFT_ELBOW
        LEFT_WRIST RIGHT_HIP RIGHT_KNEE RIGHT_ANKLE LEFT_HIP LEFT_KNEE LEFT_ANKLE
        RIGHT_EYE LEFT_EYE RIGHT_EAR LEFT_EAR""",
    "ZED34": """
        PELVIS NAVAL_SPINE CHEST_SPINE NECK LEFT_CLAVICLE LEFT_SHOULDER LEFT_ELBOW
        LEFT_WRIST LEFT_HAND LEFT_HANDTIP LEFT_THUMB RIGHT_CLAVICLE RIGHT_SHOULDER
        RIGHT_ELBOW RIGHT_WRIST RIGHT_HAND RIGHT_HANDTIP RIGHT_THUMB LEFT_HIP LEFT_KNEE
        LEFT_ANKLE LEFT_FOOT RIGHT_HIP RIGHT_KNEE RIGHT_ANKLE RIGHT_FOOT HEAD NOSE
        LEFT_EYE LEFT_EAR RIGHT_EYE RIGHT_EAR LEFT_HEEL RIGHT_HEEL""",
    "ZED38": """
        PELVIS SPINE_1 SPINE_2 SPINE_3 NECK NOSE LEFT_EYE RIGHT_EYE LEFT_EAR RIGHT_EAR
        LEFT_CLAVICLE RIGHT_CLAVICLE LEFT_SHOULDER RIGHT_SHOULDER LEFT_ELBOW RIGHT_ELBOW
        LEFT_WRIST RIGHT_WRIST LEFT_HIP RIGHT_HIP LEFT_KNEE RIGHT_KNEE LEFT_ANKLE
        RIGHT_ANKLE LEFT_BIG_TOE RIGHT_BIG_TOE LEFT_SMALL_TOE RIGHT_SMALL_TOE LEFT_HEEL
        RIGHT_HEEL LEFT_HAND_THUMB_4 RIGHT_HAND_THUMB_4 LEFT_HAND_INDEX_1
        RIGHT_HAND_INDEX_1 LEFT_HAND_MIDDLE_4 RIGHT_HAND_MIDDLE_4 LEFT_HAND_PINKY_1
        RIGHT_HAND_PINKY_1""",
    "NUITRACK19": """
        HEAD NECK TORSO WAIST LEFT_COLLAR LEFT_SHOULDER LEFT_ELBOW LEFT_WRIST LEFT_HAND
        RIGHT_SHOULDER RIGHT_ELBOW RIGHT_WRIST RIGHT_HAND LEFT_HIP LEFT_KNEE LEFT_ANKLE
        RIGHT_HIP RIGHT_KNEE RIGHT_ANKLE""",
    "MEDIAPIPE33": """
        nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye
        right_eye_outer left_ear right_ear mouth_left mouth_right left_shoulder
        right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky
        right_pinky left_index right_index left_thumb right_thumb left_hip right_hip
        left_knee right_knee left_ankle right_ankle left_heel right_heel
        left_foot_index right_foot_index""",
    "SMPL24": """
        pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle
        right_ankle spine3 left_foot right_foot neck left_collar right_collar head
        left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist
        left_hand right_hand""",
    "HALPE26": """
        Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip
        RHip LKnee RKnee LAnkle RAnkle Head Neck Hip LBigToe RBigToe LSmallToe RSmallToe
        LHeel RHeel""",
}


def test_joints_are_in_the_order_of_the_sdk():
    assert set(SDK_ORDERS) == set(skeleton.TRACKERS)
    for name, order in SDK_ORDERS.items():
        body, joints = skeleton.by_name(name), order.split()
        assert body.num_joints == len(joints) == int(re.sub(r".*V2|\D", "", name) or 25)
        found = [names.find_joint(joint, body) for joint in joints]
        assert found == list(range(len(joints))), name
        # A file with these names, and one with ours, is recognised.
        assert names.find_skeleton(joints).name == name
        assert set(body.joints) <= set(names.find_skeleton(body.joints).joints)


def test_each_tracker_skeleton_is_one_tree_with_equal_sides():
    for name in skeleton.TRACKERS:
        body = skeleton.by_name(name)
        assert body.parents.count(-1) == 1, name
        mirror = np.array(body.mirror)
        sided = [joint.startswith(("left_", "right_")) for joint in body.joints]
        np.testing.assert_array_equal(mirror != np.arange(len(mirror)), sided, name)
        left = [n for n in body.bone_names if "-left_" in n]
        assert len(body.bone_pairs) == len(left), name
        child, parent = body.bone_ends
        bones = set(zip(child.tolist(), parent.tolist(), strict=True))
        assert {(mirror[c], mirror[p]) for c, p in bones} == bones, name


def test_limbs_of_every_tracker_become_ours():
    limbs = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    wanted = [f"{side}_{limb}" for side in ("left", "right") for limb in limbs]
    for name in skeleton.TRACKERS:
        values = np.arange(skeleton.by_name(name).num_joints, dtype=np.float32)
        ours, valid = skeleton.convert(values[:, None], name, "BODY", derive=True)
        for joint in (*wanted, "pelvis", "neck", "thorax"):
            assert valid[skeleton.BODY.index(joint)], (name, joint)
    head = skeleton.BODY.index("head")
    values = np.zeros((24, 1), np.float32)  # SMPL's head is where skull and neck meet
    assert not skeleton.convert(values, "SMPL24", "BODY", derive=True)[1][head]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("coco17", "COCO17"),
        ("BODY_34", "ZED34"),
        ("zed 38", "ZED38"),
        ("K4ABT", "AZUREKINECT32"),
        ("kinect-v2", "KINECTV2"),
    ],
)
def test_spelling_and_sdk_names_make_no_difference(written, name):
    assert skeleton.by_name(written).name == name
    assert skeleton.resolve(written) is skeleton.by_name(name)


def test_unknown_names_are_refused_with_what_is_similar():
    with pytest.raises(ValueError, match="'COCO'; did you mean COCO17"):
        skeleton.by_name("COCO")
    with pytest.raises(ValueError, match="a name, such as 'ITOP15', not 17"):
        skeleton.resolve(17)
    with pytest.raises(ValueError, match="no known skeleton has .* lacks 'tail'"):
        names.find_skeleton(["left_knee", "tail"])


def test_names_of_motion_capture_rigs_are_known():
    rig = {"Hips": "pelvis", "mixamorig:LeftUpLeg": "left_hip", "RightArm": None}
    rig["RightArm"] = "right_shoulder"
    assert {name: names.rig_joint(name) for name in rig} == rig
    assert names.rig_joint("Head") is None  # the joint below the skull
    # Ours, of which a file has some: "head" is no top of the head, as in Halpe.
    assert names.find_skeleton(["nose", "head", "left_eye"]).name == "BODY"
