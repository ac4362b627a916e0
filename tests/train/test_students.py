"""Stage 2: what a teacher says, and what students make of it."""

import pathlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import unipose
from data_pipelines.rendered import clip_pool
from tests import config_data, stages
from unipose_jax import errors, models, skeleton
from unipose_jax.geometry import camera, transforms
from unipose_jax.models import keypoint_anchors
from unipose_jax.train import loop, objective, teacher
from unipose_jax.train.checkpoints import checkpoint, folders
from unipose_jax.train.evaluation import evaluate
from unipose_jax.train.plan import checks
from unipose_jax.train.recipes import stage2

pytestmark = pytest.mark.usefixtures("shared_programs")
ITOP = skeleton.ITOP15
STUDENTS = ("depth", "rgb")


@pytest.fixture
def config(pools):
    config = unipose.get_config("smoke")
    config.stages = folders.MODALITIES
    config.data.cache_dir = pools
    return config


def student(config, modality, *, single_frames=False, **settings):
    config.student.teacher.update(settings)
    config.student.single_frames = single_frames
    return stages.values(config, modality, pathlib.Path("nowhere"))


@pytest.fixture(scope="module")
def clip(pools):
    """A batch of clips with crops, as training gets it but for the labels."""
    config = unipose.get_config("smoke")
    config.data.cache_dir, config.data.crop_size = pools, config.student.crop_size
    source = config_data.open_split(config, "train")
    return evaluate.collate(source[index] for index in range(4))


def perfect(modality, truth):
    """A network that knows where joints are, and sees left for right in a mirror."""

    def apply(params, *, cam_from_points=None, reference_depth=None, **seen):
        name = "depth_crop_matrix" if modality == "depth" else "color_crop_matrix"
        matrix, xyz = seen[name], truth["xyz"]
        if matrix.shape[1] == 1:  # a single frame
            frame = jnp.argmax(truth["reference_depth"] == reference_depth, axis=1)
            xyz = jnp.take_along_axis(xyz, frame[:, None, None, None], axis=1)
        here = xyz
        if cam_from_points is not None:
            pose = cam_from_points[:, None, None]
            xyz = (pose[..., :3, :3] @ xyz[..., None])[..., 0] + pose[..., :3, 3]
        rays = xyz / xyz[..., 2:]
        uv = (matrix[:, :, None] @ rays[..., None])[..., :2, 0]
        mirrored = jnp.linalg.det(matrix)[..., None, None] < 0
        swap = jnp.array(ITOP.mirror)
        uv = jnp.where(mirrored, uv[:, :, swap], uv)
        back = jnp.where(mirrored, here[:, :, swap], here)
        depth = jnp.where(mirrored[..., 0], xyz[:, :, swap, 2], xyz[..., 2])
        return models.PoseEstimate(
            xyz=back,
            confidence_logit=jnp.zeros(back.shape[:-1]) + params,
            crop=models.CropEstimate(uv=uv, depth=depth, anchor_uv=uv),
        )

    return apply


def test_a_single_frame_is_one_of_the_clip_in_every_field(config, clip):
    settings = student(config, "depth", kind="truth")
    names = (*stages.recipe(settings).fields, "teacher_xyz")
    one = {name: jnp.asarray(clip[name][0]) for name in names if name in clip}
    one["teacher_xyz"] = one["xyz"] + 1.0
    draw = jax.jit(jax.vmap(lambda key: stage2.sample_frame(key, one)))
    drawn = draw(jax.random.split(jax.random.key(0), 30))
    frames = []
    for index in range(30):
        found = {name: np.asarray(value[index]) for name, value in drawn.items()}
        frame = np.flatnonzero(np.asarray(one["time"]) == found["time"])
        frames.append(int(frame[0]))
        for name, value in found.items():
            of_clip = name in ("intrinsics", "cam_from_points")
            expected = one[name] if of_clip else one[name][frame]
            np.testing.assert_array_equal(value, expected, err_msg=name)
    assert set(frames) == {0, 1, 2}


@pytest.mark.parametrize(
    ("modality", "single_frames"), [("depth", False), ("depth", True), ("rgb", False)]
)
def test_views_and_mirrors_do_not_move_the_target(
    config, clip, modality, single_frames
):
    """In every augmented view, a network that sees perfectly has no loss."""
    settings = student(config, modality, single_frames=single_frames, kind="truth")
    recipe = stages.recipe(settings)
    batch = {name: jnp.asarray(clip[name]) for name in recipe.fields}
    if single_frames:  # to know frames by
        numbers = jnp.arange(1.0, 4.0)[None]
        batch["reference_depth"] = jnp.broadcast_to(numbers, (4, 3))
    keys = jax.random.split(jax.random.key(0), len(clip["xyz"]))

    @jax.jit
    def train_terms(batch, keys):
        network = perfect(modality, batch)
        return recipe.train_terms(network, jnp.zeros(()), batch, keys)

    terms = train_terms(batch, keys)
    for name in set(stage2.PSEUDO_LABEL_TERMS) - {"pseudo_bins"}:  # depth is regressed
        assert float(terms[name].weight) > 0
        np.testing.assert_allclose(float(terms[name].mean()), 0.0, atol=1e-3)


@pytest.mark.parametrize("modality", STUDENTS)
def test_keypoints_of_views_and_mirrors_are_those_of_the_joints(config, clip, modality):
    """In every augmented view, true keypoints lie at the labels' pixels."""
    config.student.models[modality].keypoints = True
    config.student.keypoint_augment = {}
    recipe = stages.recipe(student(config, modality, kind="truth"))
    batch = {name: jnp.asarray(clip[name]) for name in recipe.fields}
    # A person without extent in depth, so that the reference depth is that of all.
    flat = batch["xyz"].at[..., 2].set(2.0)
    pose = batch["cam_from_points"][:, None]
    seen = transforms.apply(pose, flat)
    batch |= {
        "xyz": flat,
        "uv": camera.uv_from_xyz(seen, batch["intrinsics"][:, None]),
        "confidence": jnp.full(flat.shape[:-1], 0.9),
    }
    if modality == "depth":
        batch["reference_depth"] = jnp.full_like(batch["reference_depth"], 2.0)
    missed = jnp.zeros(flat.shape[:-1], bool).at[..., 3].set(True)
    batch["uv"] = jnp.where(missed[..., None], jnp.nan, batch["uv"])
    batch["confidence"] = jnp.where(missed, 0.0, batch["confidence"])

    def apply(params, **given):
        crop = "depth_crop" if modality == "depth" else "color_crop"
        other = {}
        if modality == "depth":
            other = {
                "cam_from_crop": given["cam_from_points"][:, None],
                "depth": given["reference_depth"],
            }
        uv, known = keypoint_anchors.in_crop(
            given["uv"],
            given["confidence"],
            given["intrinsics"][:, None],
            given[f"{crop}_matrix"],
            size=given[crop].shape[2],
            **other,
        )
        uv = jnp.where(known[..., None] > 0, uv, params)
        return models.PoseEstimate(
            xyz=jnp.pad(uv, ((0, 0), (0, 0), (0, 0), (0, 1))),
            confidence_logit=known,
            crop=models.CropEstimate(uv=uv, depth=known, anchor_uv=uv),
        )

    keys = jax.random.split(jax.random.key(0), len(flat))
    terms = jax.jit(lambda b: recipe.train_terms(apply, jnp.zeros(()), b, keys))(batch)
    # One of fifteen joints is missed, and put into the corner of the crop.
    labelled = float(terms["pseudo_pixel"].weight)
    assert labelled > 0.5 * flat[..., 0].size
    network = jnp.full((), 1e6)
    other = jax.jit(lambda b: recipe.train_terms(apply, network, b, keys))(batch)
    missed_only = float(other["pseudo_pixel"].total) / 1e6
    assert missed_only < 0.1 * labelled  # the others are where their labels are
    batch["confidence"] = jnp.full(flat.shape[:-1], 0.9)
    batch["uv"] = camera.uv_from_xyz(seen, batch["intrinsics"][:, None])
    exact = jax.jit(lambda b: recipe.train_terms(apply, jnp.zeros(()), b, keys))(batch)
    np.testing.assert_allclose(float(exact["pseudo_pixel"].mean()), 0.0, atol=1e-3)


def test_bins_without_bins_are_said(config):
    config.student.loss_weights.depth.pseudo_bins = 0.1
    with pytest.raises(errors.BadInput, match="pseudo_bins, but config.model.depth_b"):
        stages.recipe(student(config, "depth"))


def test_labels_are_believed_as_they_agree_with_rays(config):
    settings = stages.stage(student(config, "depth")).teacher
    xyz = jnp.zeros((1, 1, 4, 3)).at[..., 2].set(2.0)
    xyz = xyz.at[0, 0, 1:3, 0].set(0.05)  # one scale beside its ray
    batch = {
        "teacher_xyz": xyz,
        "teacher_confidence": jnp.full((1, 1, 4), 0.8),
        "uv": jnp.full((1, 1, 4, 2), 50.0),
        "confidence": jnp.array([[[1.0, 1.0, 0.5, 0.0]]]),
        "intrinsics": jnp.array([[100.0, 100.0, 50.0, 50.0]]),
        "cam_from_points": jnp.eye(4)[None],
        "points_valid": jnp.ones((1, 1, 5), bool),
    }
    away = np.exp(-0.5)
    labels, weight, valid = stage2.pseudo_labels(batch, settings)
    np.testing.assert_array_equal(labels, xyz)
    expected = 0.8 * np.array([1.0, away, 0.5 * away + 0.5, 1.0])
    # 5 cm beside a point at 2 m is a hair less from the ray itself.
    np.testing.assert_allclose(weight[0, 0], expected, rtol=2e-3)
    assert valid.all()
    nobody = batch | {"points_valid": jnp.zeros((1, 1, 5), bool)}
    assert not stage2.pseudo_labels(nobody, settings)[2].any()


def test_labels_belong_to_their_clips(config, tmp_path):
    settings = student(config, "depth")
    source = config_data.open_split(settings, "validation")
    labelled = teacher.load(stages.stage(settings, tmp_path)).label_source(source)
    assert len(labelled) == len(source)
    batch = evaluate.collate(source[i] for i in range(4))
    again = teacher.load(stages.stage(settings, tmp_path))(batch)
    for index in range(4):
        example = labelled[index]
        for name in teacher.FIELDS:
            chex.assert_trees_all_close(example[name], again[name][index], atol=1e-5)
        np.testing.assert_array_equal(example["points"], source[index]["points"])
    # The shipped weights know people.
    error = np.linalg.norm(labelled[0]["teacher_xyz"] - source[0]["xyz"], axis=-1)
    assert np.median(error) < 0.25


def test_labels_of_fresh_clips_are_those_of_stored_ones(config, tmp_path):
    settings = student(config, "depth")
    guide = teacher.load(stages.stage(settings, tmp_path))
    settings.data.train_clips = 0
    batches = config_data.open_train(settings, host=0, hosts=1, teacher=guide)
    state = batches.get_state()
    first = next(batches)
    for name in teacher.FIELDS:
        np.testing.assert_allclose(first[name], guide(first)[name], atol=1e-6)
    batches.set_state(state)
    chex.assert_trees_all_equal(next(batches), first)


@pytest.mark.slow
def test_no_true_joint_reaches_a_student(config, tmp_path, monkeypatch, final_state):
    settings = student(config, "depth")
    assert loop.train(stages.stage(settings, tmp_path / "seen"))
    render = clip_pool.open_pool

    def blinded(data, split):
        pool = render(data, split)
        if split == "train":
            pool.clips["xyz"] = np.full_like(pool.clips["xyz"], np.nan)
        return pool

    monkeypatch.setattr(clip_pool, "open_pool", blinded)
    assert loop.train(stages.stage(settings, tmp_path / "blind"))
    chex.assert_trees_all_equal(
        final_state(settings, tmp_path / "blind").params,
        final_state(settings, tmp_path / "seen").params,
    )


def test_teacher_of_another_skeleton(config, tmp_path):
    settings = student(config, "depth")
    settings.data.skeleton = "COCO17"
    match = "has the joints of ITOP15, the stu"
    with pytest.raises(errors.BadInput, match=match):
        checks.check_teacher(stages.stage(settings, tmp_path))


def test_teacher_that_is_not_there(config, tmp_path):
    settings = student(config, "depth")
    settings.teacher.workdir = str(tmp_path / "none")
    with pytest.raises(errors.BadInput, match="no checkpoint in .*none"):
        checks.check_teacher(stages.stage(settings, tmp_path))


def test_keypoints_are_labels_of_pixels_alone(config, clip):
    """Whoever projects on the keypoints has no loss, at any depth; no truth is read."""
    settings = student(config, "rgb", kind="keypoints")
    for name in ("pseudo_depth", "pseudo_root", "confidence"):
        settings.loss_weights[name] = 0.0
    recipe = stages.recipe(settings)
    assert not {"xyz", "xyz_valid", *teacher.FIELDS} & set(recipe.fields)
    batch = {name: jnp.asarray(clip[name]) for name in recipe.fields}
    pose = jnp.asarray(clip["cam_from_points"])[:, None, None]
    truth = jnp.asarray(clip["xyz"])
    seen = (pose[..., :3, :3] @ truth[..., None])[..., 0] + pose[..., :3, 3]
    focal, center = (
        batch["intrinsics"][:, None, None, part] for part in (np.s_[:2], np.s_[2:])
    )
    batch["uv"] = focal * seen[..., :2] / seen[..., 2:] + center
    missed = jnp.zeros(truth.shape[:-1], bool).at[..., 3].set(True)
    batch["uv"] = jnp.where(missed[..., None], jnp.nan, batch["uv"])
    batch["confidence"] = jnp.where(missed, 0.0, 0.5)
    keys = jax.random.split(jax.random.key(0), len(truth))

    @jax.jit
    def train_terms(batch, keys, truth):
        apply = perfect("rgb", batch | {"xyz": truth})
        return recipe.train_terms(apply, jnp.zeros(()), batch, keys)

    terms = train_terms(batch, keys, truth)
    assert set(terms) == {"pseudo_pixel", "pseudo_anchor"}
    for term in terms.values():
        assert 0 < float(term.weight) <= 0.5 * (~missed).sum()
        np.testing.assert_allclose(float(term.mean()), 0.0, atol=1e-3)  # of a pixel


def test_a_students_checkpoint_is_known_by_its_network(config, tmp_path):
    settings = student(config, "depth")
    meta = {"config": checkpoint.to_json(settings.to_dict())}
    assert not checkpoint.config_difference(meta, settings.to_dict())
    other = student(config, "depth")
    other.model.name = "color_anchor_net"
    assert "model.name" in checkpoint.config_difference(
        meta, other.to_dict(), ("model.",)
    )


def test_all_student_terms_can_be_weighed_together(config, clip):
    """Every stage-1 term works on a student's joints, and gradients add up."""
    settings = student(config, "depth", kind="truth")
    weights = {name: 1.0 for name in settings.loss_weights} | {"reprojection": 1.0}
    del weights["pseudo_position"]  # there is no network to learn from here
    del weights["pseudo_bins"], weights["point_part"]  # and no bins or points
    settings.loss_weights.update(weights)
    recipe = stages.recipe(settings)
    batch = {name: jnp.asarray(clip[name]) for name in recipe.fields}

    @jax.jit
    def validation_terms(batch):
        inputs = {name: batch[name] for name in recipe.inputs}
        estimate = perfect("depth", batch)(jnp.zeros(()), **inputs)
        return recipe.validation_terms(estimate, batch)

    terms = validation_terms(batch)
    assert set(terms) == set(weights)
    assert np.isfinite(float(objective.weighted_sum(terms, weights)))
