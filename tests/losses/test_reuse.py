"""The losses train a network of somebody else: the example that README quotes."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_example_of_reuse_converges():
    script = [sys.executable, "-m", "examples.reuse_a_loss"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    errors = [int(error) for error in re.findall(r"mean error (\d+) mm", done.stdout)]
    assert errors[0] > 500  # mm
    assert errors[-1] < 70
