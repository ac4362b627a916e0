"""UniPose stage 2: anchor-to-joint networks learn from a point network's joints.

docs/method.md. The student sees the depth crop or the colour crop. Its labels
are the joints that a frozen teacher finds in the clouds (`train.teacher`), believed as
far as the teacher believes in them and as they agree with the 2D keypoints; every term
of stage 1 may join. With `teacher.kind = "keypoints"` the labels are the pixels of the
2D keypoints, without depth. True joints are read with `teacher.kind = "truth"` and by
`joint_position` only; otherwise training steps do not even receive them.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import ml_collections

from data_pipelines.ground import schema
from unipose_jax import errors, losses, models, reduction, skeleton
from unipose_jax.geometry import camera, rays, transforms
from unipose_jax.train.augment import crop_augment as augment_crops
from unipose_jax.train.recipes import config_checks, stage1, terms
from unipose_jax.train.recipes.recipe import Recipe

NETWORKS = ("depth_anchor_net", "color_anchor_net")

PSEUDO_LABEL_TERMS = ("pseudo_pixel", "pseudo_anchor", "pseudo_depth", "pseudo_root")
"""Terms that compare with the teacher."""

_CROP_AUGMENTATIONS: dict[str, tuple[Callable, Callable]] = {
    "depth_crop": (augment_crops.warp_depth, augment_crops.degrade_depth),
    "color_crop": (augment_crops.warp_color, augment_crops.degrade_color),
}

_CROP_MARGIN = 0.25  # of a crop's size, around it, where joints are still looked for
TEACHER_KINDS = ("network", "truth", "keypoints", "none")
_NEEDS_FRAMES = ("bone_constancy", "speed", "acceleration")
_NEEDS_DEPTH = ("pseudo_depth", "pseudo_root")


def build(config: ml_collections.ConfigDict) -> Recipe:
    """The recipe of a config with `model`, `teacher`, `crop_augment` and `loss`.

    With `single_frames` a step takes one frame of each clip.

    Raises:
        errors.BadInput: a teacher or network that is not of stage 2, no crops, or terms
            that need what is not there.
    """
    _check(config)
    skel = config_checks.config_skeleton(config)
    compute_terms = make_terms(config, skel)
    inputs = models.input_fields(config.model.to_dict())
    labels: tuple[str, ...] = stage1.LABELS if _uses_ground_truth(config) else ()
    if config.teacher.kind == "network":
        labels += stage1.TEACHER_FIELDS
    labels += terms.fields_of(terms.chosen(_shared_weights(config)))
    evidence = tuple(name for name in stage1.OBSERVATIONS if name not in inputs)

    def train_terms(apply_fn, params, batch, keys):
        if config.single_frames:
            batch = jax.vmap(sample_frame)(keys, batch)
        seen = {name: batch[name] for name in inputs}
        views, seen = jax.vmap(lambda k, s: _augment_crop(k, s, config))(keys, seen)
        estimate = apply_fn(params, **seen)
        estimate = _undo_mirror(estimate, views.mirrored, skel)
        return compute_terms(estimate, batch | seen)

    return Recipe(
        network=models.build(config.model.to_dict(), num_joints=skel.num_joints),
        inputs=inputs,
        fields=tuple(dict.fromkeys(inputs + models.POINT_FIELDS + evidence + labels)),
        train_terms=train_terms,
        validation_terms=compute_terms,
        needs_teacher=config.teacher.kind == "network",
    )


def sample_frame(key: jax.Array, clip: Mapping) -> dict:
    """One frame of a clip, drawn at random, as a clip of its own.

    Frames of a clip are much alike: with one of each, a batch costs less and says
    nearly as much. The teacher has seen them all before.

    Args:
        key: a `jax.random.key`.
        clip: batch fields of one clip, and those of the teacher.
    """
    count = clip["time"].shape[0]
    index = jax.random.randint(jax.random.fold_in(key, count), (), 0, count)
    known = schema.FIELDS | schema.OPTIONAL_FIELDS

    def of_frame(name, value):
        if name in known and known[name].shape[0] != "T":
            return value  # of the whole clip
        return jax.lax.dynamic_slice_in_dim(value, index, 1)

    return {name: of_frame(name, value) for name, value in clip.items()}


def _check(config: ml_collections.ConfigDict) -> None:
    if config.model.name not in NETWORKS:
        raise errors.BadInput(
            f"recipe stage2 trains {' or '.join(NETWORKS)}, not {config.model.name}"
        )
    config_checks.check_choice(config, "teacher.kind", TEACHER_KINDS)
    if config.teacher.kind == "keypoints" and config.model.name != "color_anchor_net":
        raise errors.BadInput(
            "config.teacher.kind is 'keypoints', which are of the colour camera; only "
            f"color_anchor_net sees its pixels, not {config.model.name}"
        )
    moving = [name for name in _NEEDS_FRAMES if config.loss_weights[name]]
    if config.single_frames and moving:
        raise errors.BadInput(
            f"config.loss_weights has {moving[0]}, which compares frames of a clip, "
            "but config.student.single_frames is True"
        )
    config_checks.check_backbone(config, "crop_size")


def _uses_ground_truth(config: ml_collections.ConfigDict) -> bool:
    return config.teacher.kind == "truth" or config.loss_weights.joint_position > 0


def _augment_crop(key, seen: dict, config: ml_collections.ConfigDict):
    """Another view of every frame of a clip: the views, and the inputs through them."""
    name = "depth_crop" if "depth_crop" in seen else "color_crop"
    image, matrix = seen[name], seen[f"{name}_matrix"]
    through, change = _CROP_AUGMENTATIONS[name]

    def look(index, image, matrix):
        frame_key = jax.random.fold_in(key, index)
        view_key, value_key = jax.random.split(frame_key)
        view = augment_crops.sample_transform(
            view_key,
            size=image.shape[0],
            rotation=config.crop_augment.rotation,
            scale=config.crop_augment.scale,
            translation=config.crop_augment.translation,
            mirror=config.crop_augment.mirror,
        )
        changed = change(value_key, through(view, image), config.crop_augment)
        return view, changed, augment_crops.transform_matrix(view, matrix)

    views, images, matrices = jax.vmap(look)(jnp.arange(len(image)), image, matrix)
    return views, seen | {name: images, f"{name}_matrix": matrices}


def _undo_mirror(
    estimate: models.PoseEstimate, mirrored, skel: skeleton.Skeleton
) -> models.PoseEstimate:
    """Joints of mirrored views under the names that they have in the original."""
    swapped = jnp.array(skel.mirror)

    def back(value):  # (batch, frames, joints, ...)
        flag = mirrored.reshape(*mirrored.shape, *(1,) * (value.ndim - 2))
        return jnp.where(flag, value[:, :, swapped], value)

    return jax.tree.map(back, estimate)


def make_terms(config: ml_collections.ConfigDict, skel: skeleton.Skeleton) -> Callable:
    """Builds `terms(estimate, batch) -> dict` of the terms whose weight is not zero."""
    weights = config.loss_weights
    pseudo = [name for name in PSEUDO_LABEL_TERMS if weights[name]]
    shared_terms = terms.make_terms(_shared_weights(config), config.loss, skel)
    if weights.pseudo_position and config.teacher.kind != "network":
        raise errors.BadInput(
            f"config.teacher.kind is {config.teacher.kind!r}, but config.loss_weights "
            "has pseudo_position, which needs a network's joints"
        )
    if pseudo and config.teacher.kind == "none":
        raise errors.BadInput(f"no teacher, but config.loss_weights has {pseudo[0]}")
    if config.teacher.kind == "keypoints":
        if deep := [name for name in _NEEDS_DEPTH if weights[name]]:
            raise errors.BadInput(
                "config.teacher.kind is 'keypoints', which have no depth, but "
                f"config.loss_weights has {deep[0]}"
            )

    def compute_terms(estimate: models.PoseEstimate, batch: Mapping) -> dict:
        found = shared_terms(estimate, batch)
        if not pseudo:
            return found
        compared = _pseudo_label_terms(estimate, batch, config)
        return found | {name: compared[name] for name in pseudo}

    return compute_terms


def _shared_weights(config: ml_collections.ConfigDict) -> dict[str, float]:
    """The weights of the terms that stage 1 has, too."""
    return {
        name: weight
        for name, weight in config.loss_weights.items()
        if name not in PSEUDO_LABEL_TERMS
    }


def _pseudo_label_terms(estimate: models.PoseEstimate, batch: Mapping, config) -> dict:
    """The terms of `PSEUDO_LABEL_TERMS`; pixels are those of the network's crop."""
    assert estimate.crop is not None  # networks of stage 2 look at crops
    xyz, weight, valid = pseudo_labels(batch, config.teacher)
    crop = "depth_crop"
    if config.model.name == "color_anchor_net":
        crop = "color_crop"
        xyz = transforms.apply(batch["cam_from_points"][:, None], xyz)
    uv, depth = _project_to_crop(xyz, batch[f"{crop}_matrix"])
    valid &= depth > 0.1  # metres: behind the lens there are no pixels
    # Far outside the crop there is nothing to learn from.
    place = uv / batch[crop].shape[2]
    valid &= ((place > -_CROP_MARGIN) & (place < 1.0 + _CROP_MARGIN)).all(-1)
    # Where the person is as a whole, and where joints are relative to that.
    share = jnp.where(valid, weight, 0.0)
    share /= jnp.maximum(share.sum(-1, keepdims=True), 1e-6)
    offset = jnp.where(valid, estimate.crop.depth - depth, 0.0)
    whole = (share * offset).sum(-1, keepdims=True)
    some = valid.any(-1, keepdims=True)
    penalties = {
        "pseudo_pixel": losses.joint_pixel(estimate.crop.uv, uv, where=valid),
        "pseudo_anchor": losses.joint_pixel(estimate.crop.anchor_uv, uv, where=valid),
        "pseudo_depth": losses.joint_depth(
            estimate.crop.depth - whole, depth, where=valid
        ),
    }
    terms = {
        name: reduction.weighted_mean(penalty, weight, valid)
        for name, penalty in penalties.items()
    }
    root = losses.joint_depth(whole, jnp.zeros_like(whole), where=some)
    return terms | {"pseudo_root": reduction.weighted_mean(root, where=some)}


def _project_to_crop(xyz, matrix):
    """Pixels of a crop, and depth, of joints in the frame of its camera."""
    depth = xyz[..., 2]
    homogeneous = jnp.einsum(
        "btij,btnj->btni",
        matrix,
        xyz / jnp.maximum(depth, 0.1)[..., None],
        precision="highest",
    )
    return homogeneous[..., :2], depth


def pseudo_labels(batch: Mapping, config: ml_collections.ConfigDict):
    """Joints to learn, how far to believe them, and which are known.

    Args:
        batch: with the teacher's joints, the true ones if `kind` is "truth", or only
            the keypoints if it is "keypoints".
        config: `config.teacher`: `kind`; `weight_by_confidence`, to weigh by the
            teacher's own confidence; `weight_by_ray_distance`, to weigh joints that
            have a keypoint by their distance to its ray, with `ray_scale` in metres.

    Returns:
        Joints in the frame of the points, metres; weights in [0, 1]; validity. Of
        keypoints, the points 1 m before the colour camera: only pixels mean anything.
    """
    if config.kind == "keypoints":
        found = batch["confidence"] > 0
        uv = jnp.where(found[..., None], batch["uv"], 0.0)
        xyz = camera.xyz_from_uv_depth(
            uv, jnp.ones_like(batch["confidence"]), batch["intrinsics"][:, None]
        )
        points_from_cam = transforms.invert(batch["cam_from_points"])[:, None]
        return transforms.apply(points_from_cam, xyz), batch["confidence"], found
    if config.kind == "truth":
        known = batch["xyz_valid"]
        xyz = jnp.where(known[..., None], batch["xyz"], 0.0)
        return xyz, jnp.ones_like(xyz[..., 0]), known
    xyz, weight = batch["teacher_xyz"], jnp.ones_like(batch["teacher_confidence"])
    if config.weight_by_confidence:
        weight *= batch["teacher_confidence"]
    if config.weight_by_ray_distance:
        seen = batch["confidence"] > 0
        agreement = rays.ray_agreement(
            xyz,
            batch["uv"],
            batch["intrinsics"][:, None],
            where=seen,
            scale=config.ray_scale,
            cam_from_xyz=batch["cam_from_points"][:, None],
        )
        # A keypoint that is not believed in says little against the teacher.
        believed = batch["confidence"]
        weight *= jnp.where(seen, believed * agreement + 1.0 - believed, 1.0)
    found = batch["points_valid"].any(-1, keepdims=True)
    return xyz, weight, jnp.broadcast_to(found, weight.shape)
