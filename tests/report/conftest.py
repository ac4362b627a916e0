import sys

import pytest


@pytest.fixture
def without_matplotlib(monkeypatch):
    """A host where matplotlib is not installed."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    drawing = ("gallery", "animation", "curves", "overlays", "scenes", "panels")
    for name in (*drawing, "marks", "canvas", "order_arrows"):
        monkeypatch.delitem(sys.modules, f"unipose_jax.report.{name}", raising=False)
        monkeypatch.delattr(f"unipose_jax.report.{name}", raising=False)
