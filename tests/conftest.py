import os
import pathlib

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update(
    "jax_compilation_cache_dir",
    os.environ.get("JAX_COMPILATION_CACHE_DIR", "/tmp/unipose_jax_cache"),
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)

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
