import sys

import numpy as np
import pytest


def grid_of(fig):
    """Number of (rows, columns) of the panels of a figure that show an image."""
    corners = np.round([ax.get_position().min for ax in fig.axes if ax.images], 4)
    return len(set(corners[:, 1])), len(set(corners[:, 0]))


@pytest.fixture
def without_matplotlib(monkeypatch):
    """A host where matplotlib is not installed."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    top = ("gallery", "learning_curves")
    drawn = ("panels", "marks", "canvas")
    for name in (*top, *(f"draw.{name}" for name in (*drawn, "order_arrows"))):
        monkeypatch.delitem(sys.modules, f"unipose_jax.report.{name}", raising=False)
        monkeypatch.delattr(f"unipose_jax.report.{name}", raising=False)
