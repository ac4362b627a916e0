"""Metric logging to JSON lines and TensorBoard.

Raises `NonFiniteLoss` on NaN or infinity.
"""

import contextlib
import json
import math
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from tensorboardX import SummaryWriter

from unipose_jax import atomic
from unipose_jax.train import parallel


class NonFiniteLoss(RuntimeError):
    """Training diverged; the message names the step and the terms."""


class MetricWriter:
    """Collects the scalars of steps and writes their means.

    Scalars stay on the device until `flush`, so that training need not wait for them.
    Lines of `log.jsonl` are `{"step", "split", "time", <scalars>}`; lines after
    `first_step`, written after the last checkpoint of a killed run, are removed.
    Only the main process writes.
    """

    def __init__(self, workdir: pathlib.Path, *, first_step: int):
        """Opens the log of `workdir`; continues after `first_step`."""
        self._pending: list[tuple[int, Any]] = []
        self._since, self._untimed = time.monotonic(), 0
        self._file = self._board = None
        if parallel.is_main_process():
            workdir.mkdir(parents=True, exist_ok=True)
            path = workdir / "log.jsonl"
            _truncate_log(path, first_step)
            self._file = path.open("a")
            self._board = SummaryWriter(
                str(workdir / "tensorboard"),
                purge_step=first_step + 1 if first_step else 0,
            )

    def __enter__(self) -> "MetricWriter":
        return self

    def __exit__(self, *error) -> None:
        if self._file is not None and self._board is not None:
            self._file.close()
            self._board.close()

    def add(self, step: int, scalars: Mapping[str, jax.Array]) -> None:
        """Stores the replicated scalars of one training step."""
        self._pending.append((step, scalars))

    def start_clock(self) -> None:
        """Excludes the stored steps, which took time to compile, from `steps_per_s`."""
        self._since, self._untimed = time.monotonic(), len(self._pending)

    def flush(self) -> str:
        """Writes the means of the stored steps; returns the loss as text.

        `steps_per_s` is absent if no step was timed.

        Raises:
            NonFiniteLoss: a stored value is NaN or infinite.
        """
        if not self._pending:
            return ""
        steps = [step for step, _ in self._pending]
        values = parallel.unreplicate([scalars for _, scalars in self._pending])
        for step, scalars in zip(steps, values, strict=True):
            bad = sorted(k for k, v in scalars.items() if not math.isfinite(v))
            if bad:
                raise NonFiniteLoss(
                    f"step {step}: {', '.join(bad)} is not finite; the last checkpoint "
                    "is valid. A lower learning rate or clip_norm may help"
                )
        means = {
            name: float(np.mean([scalars[name] for scalars in values]))
            for name in values[0]
        }
        now = time.monotonic()
        if timed := len(steps) - self._untimed:
            means["steps_per_s"] = timed / max(now - self._since, 1e-9)
        self._pending, self._since, self._untimed = [], now, 0
        self.write_scalars(steps[-1], "train", means)
        return f"loss {means['loss/total']:.4f}"

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Excludes the time of its body, such as validation, from `steps_per_s`."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._since += time.monotonic() - start

    def write_scalars(
        self, step: int, split: str, scalars: Mapping[str, float]
    ) -> None:
        """Writes one line and its TensorBoard scalars."""
        if self._file is None or self._board is None:
            return
        line = {"step": step, "split": split, "time": time.time(), **scalars}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        for name, value in scalars.items():
            self._board.add_scalar(f"{split}/{name}", value, step)


def write_images(workdir: pathlib.Path, step: int, folder: pathlib.Path) -> None:
    """Adds the PNG files of a folder to the TensorBoard files of a run."""
    pictures = sorted(folder.glob("*.png"))
    if not pictures:
        return
    from PIL import Image  # optional; installed where pictures were drawn

    with SummaryWriter(str(workdir / "tensorboard")) as board:
        for path in pictures:
            pixels = np.asarray(Image.open(path).convert("RGB"))
            board.add_image(path.stem, pixels, step, dataformats="HWC")


def _truncate_log(path: pathlib.Path, step: int) -> None:
    """Removes the lines after `step` and lines that are not valid JSON."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if entry["step"] <= step:
            kept.append(line + "\n")
    atomic.write_text(path, "".join(kept))
