import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipelines.ground import schema
from unipose_jax import skeleton
from unipose_jax.geometry import camera, transforms
from unipose_jax.synthesis import pools, scene
from unipose_jax.synthesis.motion import body_shape
from unipose_jax.synthesis.render import (
    body,
    images,
    room,
    shading,
    things,
    viewpoint,
)
from unipose_jax.synthesis.sensing import person_points, sensor

SEED, COUNT = 3, 6
PARAMS = scene.SceneParams(frames=3, height=60, width=80, points=128, crop_size=16)
ITOP = skeleton.ITOP15
BODY = skeleton.BODY


@pytest.fixture(scope="module")
def pool():
    return pools.render_pool(
        SEED, "train", 0, COUNT, PARAMS, extras=scene.EXTRAS, batch_size=2
    )


def render(split, start, count, *, batch_size=2, **options):
    return pools.render_pool(
        SEED,
        split,
        start,
        count,
        PARAMS,
        extras=scene.EXTRAS,
        batch_size=batch_size,
        **options,
    )


def project(clips):
    """Pixels (clips, frames, joints, 2) of the true joints in the keypoint camera."""
    to_camera = jnp.asarray(clips["cam_from_points"])[:, None]
    seen = transforms.apply(to_camera, jnp.asarray(clips["xyz"]))
    return np.asarray(
        camera.uv_from_xyz(seen, jnp.asarray(clips["intrinsics"])[:, None])
    )


def test_clips_follow_the_schema(pool):
    known = schema.FIELDS.keys() | schema.OPTIONAL_FIELDS.keys()
    known -= {"floor"}  # of recorded scenes
    schema.validate(schema.unpack({name: pool[name] for name in known}))
    assert pool["points"].shape == (COUNT, 3, 128, 3)
    assert pool["xyz"].shape == (COUNT, 3, 15, 3)
    np.testing.assert_allclose(pool["time"][0], [0.0, 1 / 15, 2 / 15], rtol=1e-6)


def test_crops_need_a_size():
    plain = dataclasses.replace(PARAMS, crop_size=0)
    with pytest.raises(ValueError, match="crops need a positive crop_size, got 0"):
        scene.make_clip(jax.random.key(0), plain, extras=("depth_crop",))


@pytest.mark.parametrize("kind", ["depth", "color"])
def test_crops_show_the_person_of_the_images(pool, kind):
    clip, frame, joint = np.nonzero(pool["visible"])
    xyz, intrinsics = pool["xyz"][clip, frame, joint], pool["depth_intrinsics"][clip]
    if kind == "color":
        pose, intrinsics = pool["cam_from_points"][clip], pool["intrinsics"][clip]
        xyz = np.einsum("nij,nj->ni", pose[:, :3, :3], xyz) + pose[:, :3, 3]
    matrix = pool[f"{kind}_crop_matrix"][clip, frame].astype(np.float64)
    uv = np.einsum("nij,nj->ni", matrix, xyz / xyz[:, 2:])[:, :2]
    assert np.mean((uv > 0) & (uv < PARAMS.crop_size)) > 0.98
    # The pixel of the crop that holds the joint, and that of the image on its ray.
    column, row = np.clip(uv, 0, PARAMS.crop_size - 1).astype(int).T
    found = pool[f"{kind}_crop"][clip, frame, row, column]
    centers = np.stack([column + 0.5, row + 0.5, np.ones(len(row))], axis=-1)
    rays = np.einsum("nij,nj->ni", np.linalg.inv(matrix), centers)[:, :2]
    place = rays * intrinsics[:, :2] + intrinsics[:, 2:]
    # Where a ray falls on the edge of two pixels, either will do.
    sure = (np.abs(place - np.rint(place)) > 1e-3).all(-1)
    sure &= ((place >= 0) & (place < [PARAMS.width, PARAMS.height])).all(-1)
    assert sure.mean() > 0.8
    column, row = place[sure].astype(int).T
    found, expected = found[sure], pool[kind][clip[sure], frame[sure], row, column]
    if kind == "depth":  # the person alone
        mask = pool["mask"][clip[sure], frame[sure], row, column]
        assert 0.5 < mask.mean() < 1.0
        expected = np.where(mask, expected, 0.0)
        np.testing.assert_allclose(found, 1000.0 * expected, atol=0.501)
    else:  # means of 3 x 3
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.8


def test_splits_and_seeds_differ():
    train, test = (scene.clip_key(SEED, split, 0) for split in ("train", "test"))
    other = scene.clip_key(SEED + 1, "train", 0)
    validation = scene.clip_key(SEED, "validation", 0)
    data = {tuple(jax.random.key_data(k).tolist()) for k in (train, test, other)}
    assert len(data | {tuple(jax.random.key_data(validation).tolist())}) == 4
    clips = render("test", 0, 2)
    assert np.all(np.abs(clips["xyz"] - render("train", 0, 2)["xyz"]).max((1, 2)) > 0)


def test_unknown_split_and_extras_are_refused():
    with pytest.raises(ValueError, match="unknown split 'dev'; use one of train"):
        scene.clip_key(0, "dev", 0)
    with pytest.raises(ValueError, match=r"unknown extras \['flow'\]"):
        scene.make_clip(jax.random.key(0), PARAMS, extras=("flow",))


def test_people_differ(pool):
    spread = np.ptp(pool["xyz"], axis=(2,))[:, 0]
    assert len(np.unique(spread.round(3), axis=0)) == COUNT


def test_confident_keypoints_lie_near_the_projected_joints(pool):
    confident = pool["visible"] & (pool["confidence"] > 0.6)
    assert confident.mean() > 0.2
    error = np.linalg.norm(pool["uv"] - project(pool), axis=-1)[confident]
    # 3 px at 320 are 0.75 px per axis at 80.
    assert 0.2 < np.median(error) < 1.5


def test_points_lie_on_the_body(pool):
    # Bones of the true skeleton, as dense points.
    child, parent = np.array(ITOP.bones).T
    share = np.linspace(0.0, 1.0, 8)[:, None]
    xyz = pool["xyz"][..., None, :]
    bones = share * xyz[..., child, :, :] + (1 - share) * xyz[..., parent, :, :]
    bones = bones.reshape(COUNT, 3, 1, -1, 3)
    distance = np.linalg.norm(pool["points"][..., None, :] - bones, axis=-1).min(-1)
    # Soles, buttocks, noise of the sensor; a few per cent of background leaks in.
    assert np.quantile(distance, 0.9) < 0.2
    assert np.median(distance) < 0.12


def test_mask_is_where_true_depth_belongs_to_the_person(pool):
    masked = pool["depth"][pool["mask"]]
    assert np.all(masked > 0.0)
    assert 0.01 < pool["mask"].mean() < 0.6
    exact = pool["true_depth"]
    seen = pool["depth"] > 0.0
    error = np.abs(pool["depth"] - exact)[seen]
    assert np.median(error) < 0.02
    assert np.all(np.isfinite(exact))


def test_visible_joints_have_the_body_in_front_of_them(pool):
    uv = project(pool)
    rows = np.clip(uv[..., 1], 0, PARAMS.height - 1).astype(int)
    columns = np.clip(uv[..., 0], 0, PARAMS.width - 1).astype(int)
    clip, frame = np.indices(uv.shape[:2])
    surface = pool["true_depth"][clip[..., None], frame[..., None], rows, columns]
    registered = np.abs(pool["cam_from_points"] - np.eye(4)).max((1, 2)) < 1e-6
    under = (pool["xyz"][..., 2] - surface)[registered]
    visible = pool["visible"][registered]
    assert np.quantile(under[visible], 0.98) < 0.25
    assert np.median(under[visible]) > 0.0


def test_color_images_are_not_uniform(pool):
    assert pool["color"].dtype == np.uint8
    assert np.all(pool["color"].std(axis=(1, 2, 3)) > 5.0)


def test_a_motion_clip_determines_the_motion(pool):
    rng = np.random.default_rng(0)
    clips = np.stack([np.asarray(standing()), 0.8 * np.asarray(standing())])
    clips = np.broadcast_to(clips[:, None], (2, 5, *clips.shape[1:]))
    got = render("train", 0, 2, motion_clips=clips)
    bone = got["xyz"][..., ITOP.index("left_knee"), :]
    bone = np.linalg.norm(bone - got["xyz"][..., ITOP.index("left_hip"), :], axis=-1)
    np.testing.assert_allclose(bone[0], 0.48, atol=1e-3)
    np.testing.assert_allclose(bone[1], 0.8 * 0.48, atol=1e-3)
    short = jnp.asarray(rng.normal(size=(2, BODY.num_joints, 3)), jnp.float32)
    with pytest.raises(ValueError, match="has 2 frames; need 3"):
        scene.make_clip(jax.random.key(0), PARAMS, motion_clip=short)


def standing():
    """BODY joints of the reference person, facing the camera (-z)."""
    xyz = np.zeros((BODY.num_joints, 3), np.float32)
    known = set()
    while len(known) < BODY.num_joints:
        for joint, parent in enumerate(BODY.parents):
            if joint not in known and (parent < 0 or parent in known):
                base = xyz[parent] if parent >= 0 else 0.0
                xyz[joint] = base + body_shape.REST_OFFSETS[joint]
                known.add(joint)
    return jnp.asarray(xyz * np.array([-1.0, 1.0, -1.0], np.float32))


@jax.jit
def look_at(xyz, box=None):
    """A scene of one person 2.5 m in front of a level camera at chest height."""
    xyz = xyz[None]
    cam_from_world = jnp.eye(4).at[:3, 3].set(jnp.array([0.0, 1.0, 2.5]))
    intrinsics = jnp.array([71.5, 71.5, 40.0, 30.0])
    center, half = (jnp.zeros((1, 3)), jnp.zeros((1, 3))) if box is None else box
    return images.Scene(
        xyz_world=xyz,
        person=body.primitives(xyz, stature=jnp.full(1, 1.8), girth=jnp.ones(1)),
        stature=jnp.float32(1.8),
        surroundings=room.Room(
            low=jnp.array([-3.0, -3.0, -3.0]),
            high=jnp.array([3.0, 0.0, 3.0]),
            center=center,
            half=half,
            yaw=jnp.zeros(1),
        ),
        view=viewpoint.CameraPair(intrinsics, intrinsics, cam_from_world, jnp.eye(4)),
        appearance=shading.sample_appearance(jax.random.key(0), surfaces=5),
    )


@jax.jit
def visible_joints(view):
    xyz, _ = skeleton.convert(view.xyz_world, "BODY", "ITOP15")
    seen = transforms.apply(view.view.cam_from_world, xyz)
    return scene.joint_visibility(view, seen, PARAMS)


def visibility(view):
    """Names of the ITOP15 joints that the camera sees."""
    visible = np.asarray(visible_joints(view))[0]
    return {name for name, v in zip(ITOP.joints, visible, strict=True) if v}


def test_all_joints_of_a_person_who_faces_the_camera_are_visible():
    assert visibility(look_at(standing())) == set(ITOP.joints)


def test_an_arm_behind_the_back_is_hidden():
    xyz = standing()
    # The left forearm goes behind the trunk (+z, away from the camera).
    for name, place in (("elbow", [0.2, -1.2, 0.1]), ("wrist", [0.0, -1.1, 0.22])):
        xyz = xyz.at[BODY.index(f"left_{name}")].set(jnp.array(place))
    for name, aside in (("hand", -0.08), ("hand_tip", -0.17), ("thumb", -0.05)):
        place = jnp.array([aside, -1.1, 0.24])
        xyz = xyz.at[BODY.index(f"left_{name}")].set(place)
    xyz = xyz.at[BODY.index("left_thumb"), 1].add(-0.04)
    assert set(ITOP.joints) - visibility(look_at(xyz)) == {"left_hand"}


def test_a_hand_in_front_of_the_chest_hides_only_the_joint_behind_it():
    xyz = standing()
    camera_place = jnp.array([0.0, -1.0, -2.5])
    # On the line of sight of the torso joint, 35 cm in front of it.
    hand = camera_place + 0.86 * (xyz[BODY.index("torso")] - camera_place)
    offsets = {"wrist": [0.08, 0, 0], "hand": [0, 0, 0], "hand_tip": [-0.1, 0, 0]}
    for name, offset in (offsets | {"thumb": [0.03, -0.05, 0]}).items():
        xyz = xyz.at[BODY.index(f"left_{name}")].set(hand + jnp.array(offset))
    hidden = set(ITOP.joints) - visibility(look_at(xyz))
    assert hidden == {"torso"}


def test_a_table_hides_the_feet():
    table = (jnp.array([[0.0, -0.38, -0.8]]), jnp.array([[0.6, 0.38, 0.2]]))
    hidden = set(ITOP.joints) - visibility(look_at(standing(), table))
    assert {"left_foot", "right_foot", "left_knee", "right_knee"} == hidden


def test_joints_outside_the_image_are_not_visible():
    xyz = standing() + jnp.array([[1.3, 0.0, 0.0]])
    visible = visibility(look_at(xyz))
    assert "right_shoulder" in visible
    assert "left_hand" not in visible


def test_depth_image_back_projects_onto_the_person():
    view = look_at(standing())
    perfect = dataclasses.replace(
        PARAMS.sensor,
        disparity_noise=0.0,
        disparity_step=0.0,
        flying_share=0.0,
    )
    shoot = functools.partial(
        images.depth_images,
        height=60,
        width=80,
        sensor_params=perfect,
        segmentation=PARAMS.segmentation,
    )
    pictures = jax.device_get(jax.jit(shoot)(jax.random.key(0), view))
    seen = np.asarray(pictures["depth"] > 0.0)
    np.testing.assert_allclose(
        pictures["depth"][seen], pictures["true_depth"][seen], rtol=1e-5
    )
    # The chest's front is 12 cm before the spine, which stands 2.5 m away.
    np.testing.assert_allclose(pictures["true_depth"][0, 18, 40], 2.38, atol=0.03)
    # The back wall is 5.5 m away.
    np.testing.assert_allclose(pictures["true_depth"][0, 5, 5], 5.5, rtol=1e-5)


@pytest.mark.parametrize("name", skeleton.NAMES)
def test_skeleton_of_the_output_can_be_chosen(name):
    params = dataclasses.replace(PARAMS, skeleton=name, frames=2)
    clip = jax.eval_shape(lambda key: scene.make_clip(key, params), jax.random.key(0))
    assert clip["uv"].shape == (2, skeleton.by_name(name).num_joints, 2)


def test_things_hide_the_person_and_only_masked_ones_are_segmented():
    key = jax.random.key(4)
    clean = person_points.SegmentationParams(
        dropped=0.0, contact_leak=0.0, far_leak=0.0
    )
    clip = jax.jit(lambda key: scene.sample_scene(key, PARAMS))(key)
    pelvis = clip.xyz_world[:, BODY.index("pelvis")]
    cameras = transforms.invert(clip.view.cam_from_world)[:3, 3]
    cube = things.Things(
        cones=jax.tree.map(lambda leaf: 0.0 * leaf[:, :1], clip.person),
        box_center=0.7 * pelvis + 0.3 * cameras[None],
        box_axes=jnp.broadcast_to(jnp.eye(3), (PARAMS.frames, 3, 3)),
        box_half=jnp.full(3, 0.12),
        in_mask=jnp.zeros(2, bool),
    )
    appearance = shading.sample_appearance(
        key, surfaces=room.num_surfaces(clip.surroundings) + 2
    )
    alone = dataclasses.replace(clip, appearance=appearance)
    held = dataclasses.replace(alone, things=cube)
    masked = dataclasses.replace(
        held, things=dataclasses.replace(cube, in_mask=jnp.ones(2, bool))
    )
    shoot = jax.jit(
        lambda scene: images.depth_images(
            key,
            scene,
            height=PARAMS.height,
            width=PARAMS.width,
            sensor_params=sensor.SensorParams(),
            segmentation=clean,
        )
    )
    before, behind, together = (jax.device_get(shoot(s)) for s in (alone, held, masked))
    nearer = behind["true_depth"] < before["true_depth"] - 0.2
    assert nearer.sum() > 50
    assert not np.any(behind["mask"] & nearer)
    assert np.any(before["mask"] & nearer)
    assert np.mean(together["mask"][nearer]) > 0.6  # the sensor loses some pixels
    joint = transforms.apply(clip.view.cam_from_world, pelvis)[:, None]
    dirs = joint / joint[..., 2:]
    first = jax.jit(images.first_surface)(held, clip.view.cam_from_world, dirs)
    assert np.all(first < joint[..., 2] - 0.2)


def test_without_shares_there_are_no_things():
    other = dataclasses.replace(
        PARAMS, things=dataclasses.replace(PARAMS.things, held_in_mask=0.1)
    )
    sample = functools.partial(scene.sample_scene, params=other)
    found = jax.eval_shape(lambda key: sample(key).things, jax.random.key(0))
    assert found is None
