"""Trains, evaluates and uses 3D pose networks; see README.md and `--help`.

The flags and modes are in `unipose_jax/cli/modes.py`.
"""

import sys

from unipose_jax.cli import main

if __name__ == "__main__":
    sys.exit(main.main())
