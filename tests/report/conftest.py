import sys

import pytest


@pytest.fixture
def without_matplotlib(monkeypatch):
    """A host where matplotlib is not installed."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    top = ("gallery", "learning_curves", "pages.before_after")
    drawn = ("animation", "overlays", "scenes", "panels", "marks", "canvas")
    for name in (*top, *(f"draw.{name}" for name in (*drawn, "order_arrows"))):
        monkeypatch.delitem(sys.modules, f"unipose_jax.report.{name}", raising=False)
        monkeypatch.delattr(f"unipose_jax.report.{name}", raising=False)
