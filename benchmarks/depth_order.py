"""Precision and coverage of the depth order that `perspective` labels.

    python -m benchmarks.depth_order
    python -m benchmarks.depth_order --panoptic=DIR   # adds a CMU Panoptic recording

Scores pairs of people at least 0.3 m apart in depth: in rendered pictures, with
keypoints of a simulated detector; and real poses projected into the HD cameras of a
Panoptic recording, with exact keypoints. Prints Markdown tables.
"""

import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import tabulate
from absl import app, flags

from unipose_jax import skeleton
from unipose_jax.cli import commands
from unipose_jax.perspective import apparent_size, order
from unipose_jax.synthesis import crowd

_PICTURES = flags.DEFINE_integer("pictures", 1_000, "Rendered test pictures.")
_PANOPTIC = flags.DEFINE_string("panoptic", "", "Folder of a Panoptic recording.")
_CACHE = flags.DEFINE_string(
    "compile_cache", "~/.cache/unipose_jax/compiled", "Folder; empty for none."
)
_APART = 0.3  # metres in depth, least distance of the pairs that are scored
_MARGINS = (0.0, 0.7, 1.0, 1.3, 1.6, 2.0, 3.0)
_MARGIN = 1.0  # default of `order_people`
_HD = (1080, 1920)  # pixels, of Panoptic's HD cameras


def main(argv: list[str]) -> None:
    """Prints the tables."""
    del argv
    commands.enable_compilation_cache(_CACHE.value)
    rendered = rendered_pairs(_PICTURES.value)
    print(f"{_PICTURES.value} rendered pictures, {rendered['counted'].sum()} pairs")
    print_rows("margin", {str(m): labelled(rendered, m) for m in _MARGINS}, rendered)
    without = {
        f"{m}, feet unused": labelled(rendered, m, feet=False) for m in (_MARGIN,)
    }
    print_rows("margin", without, rendered)
    usual = labelled(rendered, _MARGIN)
    for title, groups in groups_of(rendered).items():
        print_rows(title, dict.fromkeys(groups, usual), rendered, groups)
    if _PANOPTIC.value:
        real = panoptic_pairs(pathlib.Path(_PANOPTIC.value))
        print(f"{_PANOPTIC.value}: {real['counted'].sum()} pairs in HD cameras")
        print_rows("margin", {str(m): labelled(real, m) for m in _MARGINS}, real)
        plain = {f"{_MARGIN}, feet unused": labelled(real, _MARGIN, feet=False)}
        print_rows("margin", plain, real)


def rendered_pairs(count: int) -> dict[str, np.ndarray]:
    """Keypoints, true depths and scored pairs of rendered people."""
    pictures = crowd.render_images(0, "test", 0, count, crowd.CrowdParams())
    depth = trunk_depth(pictures["xyz"], skeleton.COCO17)
    seen = (pictures["confidence"] > 0).sum(axis=-1)
    return pictures | counted(depth, pictures["present"]) | {"seen": seen}


def trunk_depth(xyz: np.ndarray, joints: skeleton.Skeleton) -> np.ndarray:
    """Mean depth of shoulders and hips, metres."""
    names = [f"{s}_{j}" for s in ("left", "right") for j in ("shoulder", "hip")]
    return xyz[..., [joints.index(name) for name in names], 2].mean(axis=-1)


def counted(depth: np.ndarray, present: np.ndarray) -> dict[str, np.ndarray]:
    """Mask of the pairs that are scored, each once, and their distances in depth."""
    gap = depth[:, None, :] - depth[:, :, None]
    both = present[:, :, None] & present[:, None, :]
    once = np.triu(np.ones(gap.shape[1:], bool), 1)[None]
    return {"gap": gap, "counted": both & once & (np.abs(gap) >= _APART)}


@functools.partial(jax.jit, static_argnames=("joints", "margin", "feet"))
def _order(uv, confidence, *, joints: skeleton.Skeleton, margin: float, feet: bool):
    sizes = apparent_size.apparent_sizes(
        uv, confidence=confidence, segments=apparent_size.limb_segments(joints)
    )
    row, known = order.lower_foot_row(uv, confidence=confidence, skeleton=joints)
    return order.order_people(
        sizes, margin=margin, feet=row if feet else None, feet_known=known
    )


def labelled(people, margin: float, *, feet: bool = True) -> np.ndarray:
    """Labels of all pairs: +1 the first is nearer, -1 the second, 0 no label."""
    joints = skeleton.by_name(str(people.get("skeleton", "COCO17")))
    return np.asarray(
        _order(
            jnp.asarray(people["uv"], jnp.float32),
            jnp.asarray(people["confidence"], jnp.float32),
            joints=joints,
            margin=margin,
            feet=feet,
        ).label
    )


def groups_of(people) -> dict[str, dict[str, np.ndarray]]:
    """Masks of pairs by distance, difference of stature and number of keypoints."""
    gap = np.abs(people["gap"])
    stature = people["stature"]
    differ = np.abs(stature[:, :, None] - stature[:, None, :])
    fewest = np.minimum(people["seen"][:, :, None], people["seen"][:, None, :])
    return {
        "distance in depth, m": between(gap, (0.3, 0.6, 1.0, 2.0, 9.0)),
        "difference of stature, m": between(differ, (0.0, 0.1, 0.2, 0.4, 1.0)),
        "keypoints of the person with fewer": between(fewest, (0, 6, 10, 14, 18)),
    }


def between(values: np.ndarray, edges: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Mask of each bin [a, b) between consecutive edges, by name."""
    pairs = zip(edges[:-1], edges[1:], strict=True)
    return {f"{a:g} to {b:g}": (values >= a) & (values < b) for a, b in pairs}


def print_rows(title: str, labels, people, groups=None) -> None:
    """Prints a table of precision and coverage, a row for each entry of `labels`."""
    rows = []
    for name, label in labels.items():
        pairs = people["counted"] & (groups[name] if groups else True)
        given = pairs & (label != 0)
        right = np.sign(people["gap"])[given] == label[given]
        precision = f"{100 * right.mean():.1f} %" if len(right) else "-"
        share = f"{100 * given.sum() / max(pairs.sum(), 1):.1f} %"
        rows.append([name, precision, share, pairs.sum()])
    heads = [title, "precision", "coverage", "pairs"]
    text = tabulate.tabulate(rows, heads, tablefmt="pipe", disable_numparse=True)
    print(f"\n{text}\n")


def panoptic_pairs(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """The same for the people of a Panoptic recording in each of its HD cameras."""
    calibration = json.loads(next(folder.glob("calibration_*.json")).read_text())
    cameras = [c for c in calibration["cameras"] if c["type"] == "hd"]
    files = sorted(folder.rglob("body3DScene_*.json"))
    scenes = [read_bodies(path) for path in files]
    most = max(len(bodies) for bodies in scenes)
    views = [project_bodies(b, camera, most) for b in scenes for camera in cameras]
    whole = {name: np.stack([view[name] for view in views]) for name in views[0]}
    depth = trunk_depth(whole["xyz"], skeleton.PANOPTIC19)
    return whole | counted(depth, whole["present"]) | {"skeleton": "PANOPTIC19"}


def read_bodies(path: pathlib.Path) -> np.ndarray:
    """Returns (people, 19, 4): x, y, z in the world, centimetres, and confidence."""
    bodies = json.loads(path.read_text())["bodies"]
    return np.array([b["joints19"] for b in bodies], float).reshape(-1, 19, 4)


def project_bodies(
    bodies: np.ndarray, camera: dict, most: int
) -> dict[str, np.ndarray]:
    """Projects bodies into a camera, without lens distortion, padded to `most` people.

    A person with fewer than half of the joints in the picture counts as not present.
    """
    rotation, shift = np.array(camera["R"]), np.array(camera["t"]).reshape(3)
    xyz = (bodies[..., :3] @ rotation.T + shift) / 100.0
    ahead = xyz[..., 2] > 0.1
    pixels = (xyz / np.where(ahead, xyz[..., 2], 1.0)[..., None]) @ np.array(
        camera["K"]
    ).T
    uv = pixels[..., :2] + 0.5
    inside = ahead & (uv >= 0).all(-1) & (uv < _HD[::-1]).all(-1)
    confidence = np.where(inside & (bodies[..., 3] > 0.1), 1.0, 0.0)
    present = confidence.mean(axis=-1) >= 0.5
    fields = {"uv": uv, "confidence": confidence, "xyz": xyz, "present": present}
    empty = most - len(bodies)
    return {
        name: np.pad(value, [(0, empty)] + [(0, 0)] * (value.ndim - 1))
        for name, value in fields.items()
    }


if __name__ == "__main__":
    app.run(main)
