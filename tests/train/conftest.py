import pathlib

import pytest

from configs import unipose
from data_pipelines.cameras import calibration
from data_pipelines.readers.recordings import recording
from data_pipelines.rendered import clip_pool
from tests import config_data, stages
from unipose_jax.train.checkpoints import checkpoint, restore


@pytest.fixture(scope="session")
def final_state():
    """`final_state(config, workdir)`: what a run's newest checkpoint holds."""

    def read(config, workdir: pathlib.Path):
        checkpoints = checkpoint.Checkpoints(workdir)
        state, _ = restore.restore_or_init(stages.stage(config, workdir), checkpoints)
        checkpoints.close()
        return state

    return read


@pytest.fixture(scope="session")
def filmed(tmp_path_factory) -> pathlib.Path:
    """A rendered person, recorded by a camera for depth and another for colour."""
    data = unipose.get_config("smoke").data
    data.frames = 2
    clip = clip_pool.render_images(config_data.typed(data), "test", 1)
    height, width = clip["depth"].shape[2:]
    path = tmp_path_factory.mktemp("recordings") / "person"
    recording.write_recording(
        path,
        depth=list(clip["depth"][0]),
        depth_camera=calibration.make_camera(
            width, height, clip["depth_intrinsics"][0]
        ),
        fps=15.0,
        color=list(clip["color"][0]),
        color_camera=calibration.make_camera(width, height, clip["intrinsics"][0]),
        color_from_depth=clip["cam_from_points"][0],
    )
    return path
