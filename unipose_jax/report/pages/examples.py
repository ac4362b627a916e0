"""Example clips of a run for its page: the worst, the best and the first ones."""

from collections.abc import Mapping, Sequence

import numpy as np

from unipose_jax.report.viewer import scene

NUM_CLIPS = 5  # first test clips that are shown
NUM_EXTREMES = 2  # worst and best test clips that are shown


def scenes_of(
    skeleton: str,
    test,
    predicted: Mapping[str, np.ndarray],
    images: Sequence[Mapping[str, np.ndarray]] = (),
    truth: Mapping[str, np.ndarray] | None = None,
) -> list[scene.Scene]:
    """The worst and the best test clips, if there is a truth, and the first ones.

    Args:
        skeleton: name of the joints' skeleton.
        test: random access to the test clips.
        predicted: `xyz` and `confidence` of the same clips.
        images: of the first clips, see `run_page.report_run`.
        truth: `xyz` and `xyz_valid` of the clips; None reads `test` for them.
    """

    def labels(index: int) -> Mapping[str, np.ndarray]:
        if truth is None:
            return test[index]
        return {name: truth[name][index] for name in ("xyz", "xyz_valid")}

    error_mm = [
        _clip_error_mm(labels(i), predicted["xyz"][i]) for i in range(len(test))
    ]
    order = np.argsort(error_mm, kind="stable")
    scored = [int(i) for i in order if np.isfinite(error_mm[i])]
    names = {i: "worst" for i in reversed(scored[-NUM_EXTREMES:])}
    names |= {i: "best" for i in scored[:NUM_EXTREMES] if i not in names}
    names |= {i: "" for i in range(min(NUM_CLIPS, len(test))) if i not in names}
    scenes = []
    for index, kind in names.items():
        text = f"test {index}" + f", {error_mm[index]:.0f} mm" * (index in scored)
        scenes.append(
            _scene(
                f"{kind}: {text}" if kind else text,
                skeleton,
                test[index],
                {name: values[index] for name, values in predicted.items()},
                images[index] if index < len(images) else {},
            )
        )
    return scenes


def _clip_error_mm(clip: Mapping[str, np.ndarray], xyz: np.ndarray) -> float:
    """Mean distance to the truth; NaN without any."""
    known = clip["xyz_valid"]
    if not known.any():
        return float("nan")
    return 1000.0 * float(np.linalg.norm(xyz - clip["xyz"], axis=-1)[known].mean())


def _scene(
    name: str,
    skeleton: str,
    clip: Mapping[str, np.ndarray],
    predicted: Mapping[str, np.ndarray],
    images: Mapping[str, np.ndarray],
) -> scene.Scene:
    poses = [
        scene.Poses(
            name="prediction",
            xyz=predicted["xyz"],
            confidence=predicted["confidence"],
        )
    ]
    known = clip["xyz_valid"][..., None]
    if known.any():
        truth = np.where(known, clip["xyz"], np.nan)
        poses.append(scene.Poses(name="truth", xyz=truth))
    color, depth = images.get("color"), images.get("depth")
    height, width = (2 * clip["intrinsics"][[3, 2]]).astype(int)
    if color is not None:
        height, width = color.shape[1:3]
    camera = scene.Camera(
        width=int(width),
        height=int(height),
        intrinsics=clip["intrinsics"],
        cam_from_scene=clip["cam_from_points"],
    )
    pictures = (
        None if color is None else scene.Pictures(images=list(color), camera=camera)
    )
    if pictures is None and depth is not None:
        height, width = depth.shape[1:]
        seen = scene.Camera(width=width, height=height, intrinsics=images["intrinsics"])
        pictures = scene.Pictures(images=list(depth), camera=seen)
    person = scene.Person(
        name=name,
        skeleton=skeleton,
        poses=poses,
        keypoints=scene.Keypoints(
            uv=clip["uv"], confidence=clip["confidence"], camera=camera
        ),
        clouds=[
            scene.Cloud(xyz=points[seen])
            for points, seen in zip(clip["points"], clip["points_valid"], strict=True)
        ],
    )
    return scene.Scene(name=name, people=[person], time=clip["time"], pictures=pictures)
