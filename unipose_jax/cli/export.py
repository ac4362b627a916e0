"""Writes a network as a file for other programs: `run.py --mode=export`."""

import json
import pathlib
from typing import Any

import jax

import unipose_jax
from data_pipelines.ground import file_io
from unipose_jax import atomic, errors, estimator
from unipose_jax.cli import networks
from unipose_jax.estimator import exchange
from unipose_jax.weights import store

_ENDINGS = {"stablehlo": ".stablehlo", "onnx": ".onnx"}


def export_file(
    config: Any,
    workdir: pathlib.Path | None,
    output: pathlib.Path,
    *,
    file_format: str,
    weights: str | None,
    modality: str,
) -> int:
    """Writes a network and, as JSON beside it, what goes in and what comes out.

    Args:
        config: of the run; None for that of its checkpoint.
        workdir: of a run; None for `weights`.
        output: file to write, named by its format.
        file_format: "stablehlo" or "onnx".
        weights: name of released weights, or path of exported ones; None for the
            released points.
        modality: of the run: input of the network, one of `folders.MODALITIES`.

    Raises:
        errors.BadInput: there is no such network, it cannot be converted, or the file
            not be written.
    """
    if output.suffix != _ENDINGS[file_format]:
        raise errors.BadInput(
            f"a file of --format={file_format} must end in {_ENDINGS[file_format]}, got"
            f" {output}"
        )
    if workdir is not None and weights:
        raise errors.BadInput("--workdir and --weights both name a network; give one")
    if config is not None and workdir is None:
        raise errors.BadInput("--config needs the --workdir of its run")
    about = output.with_suffix(".json")
    file_io.check_writable(output)
    file_io.check_writable(about)
    if workdir is None:
        network = _load(weights or store.SHIPPED)
    else:
        network, _ = networks.load_trained(config, workdir, modality)
    if file_format == "onnx":
        data = exchange.to_onnx(network)
    else:
        data = exchange.to_stablehlo(network)
    description = exchange.describe(network) | {
        "format": file_format,
        "source": str(workdir or weights or store.SHIPPED),
        "versions": {"unipose_jax": unipose_jax.__version__, "jax": jax.__version__},
    }
    atomic.write_bytes(output, data)
    atomic.write_text(about, json.dumps(description, indent=1) + "\n")
    inputs = ", ".join(network.inputs)
    print(f"{output}: {len(data) / 1e6:.1f} MB, takes {inputs}; described in {about}")
    return 0


def _load(weights: str) -> estimator.Estimator:
    """Released or exported weights.

    Raises:
        errors.BadInput: there are none of this name.
    """
    released = sorted(path.stem for path in store.FOLDER.glob("*.npz"))
    path = store.FOLDER / weights if weights in released else pathlib.Path(weights)
    try:
        return estimator.load(path.expanduser())
    except FileNotFoundError as error:
        raise errors.BadInput(
            f"no weights {weights}; use one of {', '.join(released)}, or a path that "
            "estimator.export wrote"
        ) from error
