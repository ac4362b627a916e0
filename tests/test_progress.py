"""The rate of a bar does not count compiling."""

import io

from unipose_jax import progress


def test_the_first_item_counts_as_done_but_not_in_the_rate(monkeypatch):
    now = [0.0]
    printed = io.StringIO()
    bar = progress.Bar(10, "train", "step", file=printed, mininterval=0.0)
    monkeypatch.setattr(bar, "_time", lambda: now[0])
    assert "compiling" in printed.getvalue()
    now[0] = 100.0
    bar.update()
    for _ in range(4):
        now[0] += 2.0
        bar.update()
    bar.close()
    last = printed.getvalue().split("\r")[-1]
    assert "5/10" in last
    assert "2.00s/step" in last
    assert "compiling" not in last


def test_a_disabled_bar_counts_nothing_and_prints_nothing(capsys):
    with progress.Bar(3, "train", "step", disable=True) as bar:
        bar.update()
    assert capsys.readouterr() == ("", "")
