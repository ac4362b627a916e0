import os
import pathlib

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 4)
# No compile cache: reading a four-device program back from it crashed a worker of
# jax 0.10.2 on CPU (segmentation fault in compilation_cache.get_executable_and_time).

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def sample_data() -> pathlib.Path:
    """The folder of real sample data; the test is skipped where it is absent."""
    path = pathlib.Path(
        os.environ.get("UNIPOSE_SAMPLE_DATA", ROOT.parent / "shared" / "data")
    )
    if not path.is_dir():
        pytest.skip(f"no real sample data at {path} (set UNIPOSE_SAMPLE_DATA)")
    return path
