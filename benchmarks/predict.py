"""Time from a depth frame to a pose, by part, at batch 1.

    python -m benchmarks.predict --recording=DIR

Prints one JSON object: device, shapes, and medians after warm-up. Without a recording,
frames are rendered at 320x240.
"""

import json
import time

import jax
import numpy as np
from absl import app, flags

from data_pipelines.readers.recordings import recording
from data_pipelines.segmentation import segmenter as segmentation
from data_pipelines.sequences import tracks
from unipose_jax import errors, estimator
from unipose_jax.cli import commands
from unipose_jax.synthesis import pools, scene

_RECORDING = flags.DEFINE_string("recording", "", "Recording folder.")
_FRAMES = flags.DEFINE_integer("frames", 60, "Frames to time.")


def rendered() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rendered depth frames of one person at 320x240, with rays and intrinsics."""
    params = scene.SceneParams(frames=12, height=240, width=320)
    clip = pools.render_pool(0, "test", 0, 1, params, extras=("depth",))
    fx, fy, cx, cy = clip["depth_intrinsics"][0]
    u, v = np.meshgrid(np.arange(320) + 0.5, np.arange(240) + 0.5)
    rays = np.stack([(u - cx) / fx, (v - cy) / fy], axis=-1).astype(np.float32)
    return clip["depth"][0], rays, clip["depth_intrinsics"][0]


def recorded(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth frames of a recording, with rays and intrinsics."""
    opened = recording.open_recording(path)
    depth = np.stack([opened.depth(index) for index in range(min(len(opened), 60))])
    return depth, opened.rays, opened.depth_camera.intrinsics


def main(argv: list[str]) -> None:
    """Times segmentation and prediction."""
    del argv
    commands.silence_library_logs()
    source = recorded(_RECORDING.value) if _RECORDING.value else rendered()
    depth, rays, intrinsics = source
    network = estimator.load_shipped()
    live = estimator.OnlineEstimator(network, rays, intrinsics)
    segmenter = segmentation.Segmenter(rays, intrinsics)
    times: dict[str, list[float]] = {"segment": [], "network_and_sampling": []}
    for index in range(_FRAMES.value + 5):
        frame = depth[index % len(depth)]
        start = time.perf_counter()
        mask = segmenter(frame).mask
        cloud = tracks.masked_points(mask, frame, rays)
        middle = time.perf_counter()
        live.from_points(cloud, index / 30.0)
        end = time.perf_counter()
        if index >= 5:
            times["segment"].append(middle - start)
            times["network_and_sampling"].append(end - middle)
    totals = np.sum([times[name] for name in times], axis=0)
    print(
        json.dumps(
            {
                "device": jax.devices()[0].device_kind,
                "depth": list(depth.shape[1:]),
                "points": network.num_points,
                "frames_per_clip": network.frames,
                **{
                    f"{name}_ms": round(1e3 * float(np.median(value)), 2)
                    for name, value in times.items()
                },
                "frames_per_s": round(1.0 / float(np.median(totals)), 1),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    with errors.exit_on_bad_input():
        app.run(main)
