import json
import pathlib

import jax
import pytest

from configs import unipose
from data_pipelines.cameras import calibration
from data_pipelines.readers.recordings import recording
from data_pipelines.rendered import clip_pool
from tests import config_data, stages
from unipose_jax.train import optimizer, parallel, recipes
from unipose_jax.train import state as train_state
from unipose_jax.train import step as train_step
from unipose_jax.train.checkpoints import checkpoint, restore
from unipose_jax.train.evaluation import evaluate


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
    """Two frames of a person, recorded by a camera for depth and one for colour."""
    # A whole clip is rendered, by the program that renders those of all runs.
    data = unipose.get_config("smoke").data
    clip = clip_pool.render_images(config_data.typed(data), "test", 1)
    height, width = clip["depth"].shape[2:]
    path = tmp_path_factory.mktemp("recordings") / "person"
    recording.write_recording(
        path,
        depth=list(clip["depth"][0, :2]),
        depth_camera=calibration.make_camera(
            width, height, clip["depth_intrinsics"][0]
        ),
        fps=15.0,
        color=list(clip["color"][0, :2]),
        color_camera=calibration.make_camera(width, height, clip["intrinsics"][0]),
        color_from_depth=clip["cam_from_points"][0],
    )
    return path


def remembered(function, key):
    """`function`, called once for each `key(*arguments)`."""
    made = {}

    def call(*arguments, **options):
        place = key(*arguments, **options)
        if place not in made:  # with the arguments, so that no other gets their id
            made[place] = function(*arguments, **options), arguments
        return made[place][0]

    return call


@pytest.fixture(scope="module")
def shared_programs():
    """Runs of equal settings in a file share their programs.

    Networks, optimisers and steps are functions of the settings. Made once, they are
    traced and compiled once, which takes most of the time of a short run.
    """

    def ids(*values, **options):
        return (*map(id, values), *options.items())

    keys = {
        (recipes, "build"): lambda values, data: json.dumps(values, default=str),
        (optimizer, "make_optimizer"): lambda *arguments, **options: (
            arguments,
            *options.items(),
        ),
        (optimizer, "make_weight_schedule"): lambda objective, num_steps: (
            id(objective),
            num_steps,
        ),
        (train_state, "create"): lambda network, transform, example, key: (
            *ids(network, transform),
            jax.random.key_data(key).tobytes(),
        ),
        (train_step, "make_train_step"): ids,
        (evaluate, "make_eval_step"): lambda recipe, apply_fn, skeleton: (
            *ids(recipe, apply_fn.__self__),
            skeleton.name,
        ),
        (parallel, "map_step"): ids,
    }
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), key in keys.items():
            patch.setattr(module, name, remembered(getattr(module, name), key))
        yield
