"""Joints of the skeletons of body-tracking SDKs and body models, as data.

`TREES` has the entries "joint<parent" in the order of the SDK, like the trees of
`definitions`; joints that mean the same as one of `BODY` have its name. `SDK_NAMES`
lists the joints whose name in the SDK differs from ours by more than the spelling
(`names.joint_key`). `ALIASES` are other names of the skeletons.
"""

TREES = {
    # Microsoft, Azure Kinect DK, "Body tracking joints" (k4abt_joint_id_t).
    "AZUREKINECT32": """
        pelvis spine_navel<pelvis spine_chest<spine_navel neck<spine_chest
        l:clavicle<spine_chest l:shoulder<l:clavicle l:elbow<l:shoulder
        l:wrist<l:elbow l:hand<l:wrist l:hand_tip<l:hand l:thumb<l:wrist
        r:clavicle<spine_chest r:shoulder<r:clavicle r:elbow<r:shoulder
        r:wrist<r:elbow r:hand<r:wrist r:hand_tip<r:hand r:thumb<r:wrist
        l:hip<pelvis l:knee<l:hip l:ankle<l:knee l:foot<l:ankle
        r:hip<pelvis r:knee<r:hip r:ankle<r:knee r:foot<r:ankle
        head<neck nose<head l:eye<head l:ear<head r:eye<head r:ear<head
    """,
    # Microsoft, Kinect for Windows SDK 2.0, JointType; NTU25 has the same joints.
    "KINECTV2": """
        pelvis torso<pelvis neck<thorax head<neck l:shoulder<thorax
        l:elbow<l:shoulder l:wrist<l:elbow l:hand<l:wrist r:shoulder<thorax
        r:elbow<r:shoulder r:wrist<r:elbow r:hand<r:wrist
        l:hip<pelvis l:knee<l:hip l:ankle<l:knee l:foot<l:ankle
        r:hip<pelvis r:knee<r:hip r:ankle<r:knee r:foot<r:ankle
        thorax<torso l:hand_tip<l:hand l:thumb<l:hand r:hand_tip<r:hand
        r:thumb<r:hand
    """,
    # Stereolabs, ZED SDK 4, BODY_18_PARTS, BODY_34_PARTS and BODY_38_PARTS.
    "ZED18": """
        nose<neck neck r:shoulder<neck r:elbow<r:shoulder r:wrist<r:elbow
        l:shoulder<neck l:elbow<l:shoulder l:wrist<l:elbow r:hip<neck
        r:knee<r:hip r:ankle<r:knee l:hip<neck l:knee<l:hip l:ankle<l:knee
        r:eye<nose l:eye<nose r:ear<r:eye l:ear<l:eye
    """,
    "ZED34": """
        pelvis spine_navel<pelvis spine_chest<spine_navel neck<spine_chest
        l:clavicle<spine_chest l:shoulder<l:clavicle l:elbow<l:shoulder
        l:wrist<l:elbow l:hand<l:wrist l:hand_tip<l:hand l:thumb<l:wrist
        r:clavicle<spine_chest r:shoulder<r:clavicle r:elbow<r:shoulder
        r:wrist<r:elbow r:hand<r:wrist r:hand_tip<r:hand r:thumb<r:wrist
        l:hip<pelvis l:knee<l:hip l:ankle<l:knee l:foot<l:ankle
        r:hip<pelvis r:knee<r:hip r:ankle<r:knee r:foot<r:ankle
        head<neck nose<head l:eye<nose l:ear<l:eye r:eye<nose r:ear<r:eye
        l:heel<l:ankle r:heel<r:ankle
    """,
    "ZED38": """
        pelvis spine_1<pelvis torso<spine_1 spine_3<torso neck<spine_3 nose<neck
        l:eye<nose r:eye<nose l:ear<l:eye r:ear<r:eye l:clavicle<spine_3
        r:clavicle<spine_3 l:shoulder<l:clavicle r:shoulder<r:clavicle
        l:elbow<l:shoulder r:elbow<r:shoulder l:wrist<l:elbow r:wrist<r:elbow
        l:hip<pelvis r:hip<pelvis l:knee<l:hip r:knee<r:hip l:ankle<l:knee
        r:ankle<r:knee l:big_toe<l:ankle r:big_toe<r:ankle l:small_toe<l:ankle
        r:small_toe<r:ankle l:heel<l:ankle r:heel<r:ankle l:thumb<l:wrist
        r:thumb<r:wrist l:index_knuckle<l:wrist r:index_knuckle<r:wrist
        l:hand_tip<l:wrist r:hand_tip<r:wrist l:pinky_knuckle<l:wrist
        r:pinky_knuckle<r:wrist
    """,
    # 3DiVi, Nuitrack.h, JointType, without the joints that it calls unused
    # (fingertips, feet). Both collars are one point between the shoulders.
    "NUITRACK19": """
        head<neck neck<thorax torso<pelvis pelvis thorax<torso l:shoulder<thorax
        l:elbow<l:shoulder l:wrist<l:elbow l:hand<l:wrist r:shoulder<thorax
        r:elbow<r:shoulder r:wrist<r:elbow r:hand<r:wrist l:hip<pelvis
        l:knee<l:hip l:ankle<l:knee r:hip<pelvis r:knee<r:hip r:ankle<r:knee
    """,
    # Google, MediaPipe Pose, PoseLandmark. There is no spine, as in COCO17.
    "MEDIAPIPE33": """
        nose l:eye_inner<nose l:eye<l:eye_inner l:eye_outer<l:eye
        r:eye_inner<nose r:eye<r:eye_inner r:eye_outer<r:eye l:ear<l:eye_outer
        r:ear<r:eye_outer l:mouth<nose r:mouth<nose l:shoulder<nose
        r:shoulder<nose l:elbow<l:shoulder r:elbow<r:shoulder l:wrist<l:elbow
        r:wrist<r:elbow l:pinky_knuckle<l:wrist r:pinky_knuckle<r:wrist
        l:index_knuckle<l:wrist r:index_knuckle<r:wrist l:thumb_knuckle<l:wrist
        r:thumb_knuckle<r:wrist l:hip<l:shoulder r:hip<r:shoulder l:knee<l:hip
        r:knee<r:hip l:ankle<l:knee r:ankle<r:knee l:heel<l:ankle r:heel<r:ankle
        l:big_toe<l:ankle r:big_toe<r:ankle
    """,
    # MPI for Intelligent Systems, smplx/joint_names.py. "Head" is the joint between
    # skull and neck, spine2 the middle of the spine.
    "SMPL24": """
        pelvis l:hip<pelvis r:hip<pelvis spine_1<pelvis l:knee<l:hip r:knee<r:hip
        torso<spine_1 l:ankle<l:knee r:ankle<r:knee spine_3<torso l:foot<l:ankle
        r:foot<r:ankle neck<spine_3 l:collar<spine_3 r:collar<spine_3
        skull_base<neck l:shoulder<l:collar r:shoulder<r:collar
        l:elbow<l:shoulder r:elbow<r:shoulder l:wrist<l:elbow r:wrist<r:elbow
        l:hand<l:wrist r:hand<r:wrist
    """,
    # Fang-Haoshu/Halpe-FullBody, README.md. "Head" is the top of the head.
    "HALPE26": """
        nose<neck l:eye<nose r:eye<nose l:ear<l:eye r:ear<r:eye l:shoulder<neck
        r:shoulder<neck l:elbow<l:shoulder r:elbow<r:shoulder l:wrist<l:elbow
        r:wrist<r:elbow l:hip<pelvis r:hip<pelvis l:knee<l:hip r:knee<r:hip
        l:ankle<l:knee r:ankle<r:knee head_top<neck neck<pelvis pelvis
        l:big_toe<l:ankle r:big_toe<r:ankle l:small_toe<l:ankle
        r:small_toe<r:ankle l:heel<l:ankle r:heel<r:ankle
    """,
}

# Name in the SDK: name here, for each skeleton.
SDK_NAMES = {
    "AZUREKINECT32": {"spine_naval": "spine_navel"},
    "KINECTV2": {
        "spine_base": "pelvis",
        "spine_mid": "torso",
        "spine_shoulder": "thorax",
    },
    "ZED18": {},
    "ZED34": {"naval_spine": "spine_navel", "chest_spine": "spine_chest"},
    "ZED38": {
        "spine_2": "torso",
        **{
            f"{side}_hand_{finger}": f"{side}_{joint}"
            for side in ("left", "right")
            for finger, joint in {
                "thumb_4": "thumb",
                "index_1": "index_knuckle",
                "middle_4": "hand_tip",
                "pinky_1": "pinky_knuckle",
            }.items()
        },
    },
    "NUITRACK19": {"waist": "pelvis", "left_collar": "thorax"},
    "MEDIAPIPE33": {
        f"{side}_{landmark}": f"{side}_{joint}"
        for side in ("left", "right")
        for landmark, joint in {
            "pinky": "pinky_knuckle",
            "index": "index_knuckle",
            "thumb": "thumb_knuckle",
            "foot_index": "big_toe",
        }.items()
    },
    "SMPL24": {"spine2": "torso", "head": "skull_base"},
    "HALPE26": {"head": "head_top", "hip": "pelvis"},
}

ALIASES = {
    "AZUREKINECT": "AZUREKINECT32",
    "K4ABT": "AZUREKINECT32",
    "K4ABT32": "AZUREKINECT32",
    "KINECT25": "KINECTV2",
    "KINECTV225": "KINECTV2",
    "BODY18": "ZED18",
    "BODY34": "ZED34",
    "BODY38": "ZED38",
    "ZEDBODY18": "ZED18",
    "ZEDBODY34": "ZED34",
    "ZEDBODY38": "ZED38",
    "NUITRACK": "NUITRACK19",
    "MEDIAPIPE": "MEDIAPIPE33",
    "MEDIAPIPEPOSE": "MEDIAPIPE33",
    "BLAZEPOSE": "MEDIAPIPE33",
    "BLAZEPOSE33": "MEDIAPIPE33",
    "SMPL": "SMPL24",
    "HALPE": "HALPE26",
    "BODY26": "HALPE26",
}
