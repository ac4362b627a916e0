import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unipose_jax import skeleton
from unipose_jax.synthesis.motion import body_shape
from unipose_jax.synthesis.render import body, raycast

BODY = skeleton.BODY
STATURE = jnp.float32(1.8)
GIRTH = jnp.float32(1.0)


def standing():
    """The reference person upright at the origin, facing +z, soles on the floor."""
    xyz = np.zeros((BODY.num_joints, 3), np.float32)
    for joint in np.argsort([depth(j) for j in range(BODY.num_joints)]):
        parent = BODY.parents[joint]
        base = xyz[parent] if parent >= 0 else 0.0
        xyz[joint] = base + body_shape.REST_OFFSETS[joint]
    return jnp.asarray(xyz)


def depth(joint):
    """How many bones lie between a joint and the root."""
    return 0 if BODY.parents[joint] < 0 else 1 + depth(BODY.parents[joint])


def build(xyz, *, stature=STATURE, girth=GIRTH, **options):
    return body.primitives(xyz, stature=stature, girth=girth, **options)


def joint(xyz, name):
    return np.asarray(xyz[..., BODY.index(name), :])


def first_hits(xyz, origins, dirs):
    """Points where rays first meet the body; NaN for a miss."""
    shift = jnp.eye(4)
    hits = []
    for origin, direction in zip(np.array(origins), np.array(dirs), strict=True):
        seen = raycast.transform(build(xyz), shift.at[:3, 3].set(-origin))
        t = raycast.cast_rays(seen, jnp.asarray(direction, jnp.float32)[None]).min()
        hits.append(np.where(np.isfinite(t), origin + float(t) * direction, np.nan))
    return np.array(hits)


def extents(xyz):
    """Lowest and highest x, y, z of the body's surface."""
    people = build(xyz)
    ends = [people.center]
    ends.append(people.center + people.basis[..., 0] * people.length[..., None])
    radii = [people.start_radius, people.end_radius]
    low, high = [], []
    for end, radius in zip(ends, radii, strict=True):
        reach = jnp.sqrt(jnp.sum(people.basis**2, axis=-1)) * radius[..., None]
        low.append((end - reach).min(axis=0))
        high.append((end + reach).max(axis=0))
    return np.minimum(*low), np.maximum(*high)


def test_every_part_has_a_primitive_and_fits_the_renderer():
    people = build(standing())
    assert people.length.shape == (len(body.PARTS),)
    assert len(set(body.PARTS)) == len(body.PARTS) == len(body.PART_MATERIAL)
    assert 20 <= len(body.PARTS) <= raycast.MAX_PRIMITIVES


def test_a_standing_person_has_the_given_stature():
    low, high = extents(standing())
    # y points down: the crown is low[1], the soles are high[1].
    np.testing.assert_allclose(low[1], -1.80, atol=0.015)
    np.testing.assert_allclose(high[1], 0.0, atol=0.015)
    # ANSUR II: bideltoid breadth 0.51, foot ahead of the heel 0.27.
    np.testing.assert_allclose(joint(standing(), "right_shoulder")[0], 0.18, atol=0.01)
    assert 0.45 < high[0] - low[0] < 0.56


@pytest.mark.parametrize(
    ("height", "expected"),
    # Depths of ANSUR II at 1.80 m: chest 0.25, waist 0.24, buttock 0.25 m.
    [(1.33, 0.25), (1.12, 0.23), (0.94, 0.25)],
)
def test_trunk_depth_agrees_with_measurements_of_people(height, expected):
    front, back = first_hits(
        standing(),
        [[0.06, -height, 2.0], [0.06, -height, -2.0]],
        [[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]],
    )
    np.testing.assert_allclose(front[2] - back[2], expected, atol=0.035)


def test_front_and_back_of_a_person_differ():
    xyz = standing()
    people = build(xyz)
    place = {name: np.asarray(people.center[i]) for i, name in enumerate(body.PARTS)}
    for side in ("left", "right"):
        assert place[f"{side}_breast"][2] > place["chest"][2]
        assert place[f"{side}_buttock"][2] < place["pelvis"][2]
        assert place[f"{side}_calf"][2] < joint(xyz, f"{side}_knee")[2]
        assert place[f"{side}_foot"][2] > joint(xyz, f"{side}_ankle")[2]
    assert place["nose"][2] > place["jaw"][2] > place["cranium"][2]
    assert place["hair"][2] < place["cranium"][2]


@pytest.mark.parametrize(
    "name",
    ["head", "neck", "thorax", "torso", "pelvis"]
    + [f"left_{n}" for n in ("shoulder", "elbow", "wrist", "hand", "hip", "knee")],
)
def test_joints_lie_inside_the_flesh(name):
    xyz = standing()
    origin = joint(xyz, name) - [0.0, 0.0, 2.0]
    back = first_hits(xyz, [origin], [[0.0, 0.0, 1.0]])[0, 2]
    front = first_hits(xyz, [origin + [0.0, 0.0, 4.0]], [[0.0, 0.0, -1.0]])[0, 2]
    depth = joint(xyz, name)[2]
    assert back < depth < front
    assert front - back < 0.3


def test_left_and_right_mirror_each_other():
    xyz = standing()
    people = build(xyz)
    mirrored = build(xyz[np.array(BODY.mirror)] * jnp.array([[-1.0, 1.0, 1.0]]))
    np.testing.assert_allclose(mirrored.center, people.center, atol=1e-5)
    size = jnp.sum(people.basis**2, axis=-2)
    np.testing.assert_allclose(jnp.sum(mirrored.basis**2, axis=-2), size, atol=1e-6)


def test_turning_the_joints_turns_the_body():
    xyz = standing()
    turn = jnp.array([[0.0, 0.6, 0.8], [0.0, 0.8, -0.6], [-1.0, 0.0, 0.0]])
    people, turned = build(xyz), build(xyz @ turn.T)
    np.testing.assert_allclose(turned.center, people.center @ turn.T, atol=1e-5)
    # Spheres look the same from all sides; compare the shapes, not the axes.
    spread = jnp.matmul(people.basis, jnp.swapaxes(people.basis, -1, -2))
    expected = turn[None] @ spread @ turn.T[None]
    got = jnp.matmul(turned.basis, jnp.swapaxes(turned.basis, -1, -2))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_bases_are_orthogonal():
    rng = np.random.default_rng(0)
    xyz = standing() + jnp.asarray(rng.normal(0, 0.05, (BODY.num_joints, 3)))
    basis = build(xyz.astype(jnp.float32)).basis
    gram = jnp.matmul(jnp.swapaxes(basis, -1, -2), basis)
    off = gram - jnp.eye(3)[None] * gram
    np.testing.assert_allclose(off, 0.0, atol=1e-5)


def test_radii_scale_with_stature_and_girth():
    xyz = standing()
    thin, big = build(xyz), build(1.1 * xyz, stature=1.1 * STATURE)
    np.testing.assert_allclose(big.start_radius[:5], 1.1 * thin.start_radius[:5])
    fat = build(xyz, girth=jnp.float32(1.2))
    thigh, hand = body.PARTS.index("left_thigh"), body.PARTS.index("left_hand")
    np.testing.assert_allclose(
        fat.start_radius[thigh], 1.2 * thin.start_radius[thigh], rtol=1e-5
    )
    np.testing.assert_allclose(fat.basis[hand], thin.basis[hand], rtol=1e-5)


def test_loose_trousers_are_wider_and_skin_is_not():
    loose = jnp.zeros(len(body.MATERIALS))
    loose = loose.at[body.MATERIALS.index("trousers")].set(0.2)
    people, dressed = build(standing()), build(standing(), looseness=loose)
    ratio = (
        dressed.start_radius[: body.NUM_CAPSULES]
        / people.start_radius[: body.NUM_CAPSULES]
    )
    for name, value in zip(body.PARTS, np.asarray(ratio), strict=False):
        expected = 1.2 if name.endswith("thigh") else 1.0
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_stature_is_estimated_from_joints():
    np.testing.assert_allclose(body.estimate_stature(standing()[None]), 1.8, atol=0.03)
    np.testing.assert_allclose(
        body.estimate_stature(0.8 * standing()[None]), 1.44, atol=0.03
    )


def test_degenerate_joints_give_finite_primitives():
    people = build(jnp.zeros((BODY.num_joints, 3)))
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(people))


def test_batch_vmap_and_jit_agree():
    xyz = jnp.stack([standing(), 0.9 * standing(), standing() + 0.1])
    stature, girth = jnp.array([1.8, 1.62, 1.8]), jnp.array([1.0, 1.1, 0.9])

    def one(xyz, stature, girth):
        return build(xyz, stature=stature, girth=girth)

    batched = one(xyz, stature, girth)
    for other in (jax.vmap(one), jax.jit(jax.vmap(one))):
        got = other(xyz, stature, girth)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(batched), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
