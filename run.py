"""Trains, evaluates and uses 3D pose networks; see README.md and `--help`."""

import os
import sys

from absl import app, flags
from ml_collections import config_flags

MODES = "train evaluate predict refine score prepare convert keypoints lookup".split()

_MODE = flags.DEFINE_enum("mode", "train", MODES, "What to do.")
_CONFIG = config_flags.DEFINE_config_file("config", None, "configs/FILE.py:VARIANT")
flags.DEFINE_string("workdir", None, "Folder of a training run.")
flags.DEFINE_string("input", None, "Recording folder, or pose file (refine, score).")
flags.DEFINE_string("output", None, "Pose file, or folder (convert), to write.")
flags.DEFINE_string("truth", None, "Pose file with the truth (score).")
flags.DEFINE_string("recording", None, "Recording of the poses' frames (refine).")
flags.DEFINE_string("model", None, "ONNX network, or MoveNet's files (keypoints).")
flags.DEFINE_string("skeleton", None, "Of keypoints, of lookup, of poses without one.")
flags.DEFINE_string("to_skeleton", None, "Skeleton of the converted poses (convert).")
flags.DEFINE_enum("fill", None, ("bones",), "lookup: also joints without depth.")
flags.DEFINE_string("convention", "anatomy", "Skin depths of joints, or: ITOP.")
flags.DEFINE_string("prior", "", "refine: learnt prior, path of weights, or none.")
flags.DEFINE_float("fps", None, "Frames per second, if not as recorded (convert).")
flags.DEFINE_float("depth_unit", None, "Metres per count of depth, the same (convert).")
flags.DEFINE_bool("mirrored", False, "The images are mirrored (convert).")
flags.DEFINE_string("source", None, "Original files of a data set (prepare).")
flags.DEFINE_string("data_dir", None, "Prepared data sets; is config.data.data_dir.")
flags.DEFINE_enum("modality", "points", ("points", "depth", "rgb"), "Of predict.")
flags.DEFINE_enum("people", "one", ("one", "all"), "Whose poses predict writes.")
flags.DEFINE_bool("keypoints", True, "predict: use the recording's 2D keypoints.")
flags.DEFINE_bool("pictures", True, "predict, refine: also draw, beside the output.")
flags.DEFINE_string("coordinator", "", "Several hosts: host:port of process 0 or auto.")
flags.DEFINE_integer("num_processes", 1, "Several hosts: how many.")
flags.DEFINE_integer("process_id", 0, "Several hosts: this one's number from 0.")
flags.DEFINE_string("compile_cache", "~/.cache/unipose_jax/compiled", "Of programs.")


def main(argv: list[str]) -> int:
    """Runs one mode; returns the exit status."""
    from unipose_jax import errors
    from unipose_jax.cli import commands

    try:
        if len(argv) > 1:
            raise errors.BadInput(f"unexpected argument {argv[1]!r}; see --help")
        status = commands.run(_MODE.value, _CONFIG.value, flags.FLAGS)
        sys.stdout.flush()
        return status
    except errors.BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a file in place of a folder, ...
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def parse_flags(argv: list[str]) -> list[str]:
    """Parses flags; a wrong flag, config or config key is one line and status 2."""
    try:
        rest = flags.FLAGS(argv)
        if _CONFIG.value is not None:
            _CONFIG.value.items()  # a config that failed to load fails when used
        return rest
    except Exception as error:
        from unipose_jax.cli import config_files

        print(f"error: {config_files.describe(error, argv)}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
