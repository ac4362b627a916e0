import io

import numpy as np
import pytest
from PIL import Image

from unipose_jax.report.draw import animation, canvas, clip_data, marks

XYZ = np.random.default_rng(0).uniform((-0.5, -1, 2.5), (0.5, 1, 3.5), (5, 15, 3))
INTRINSICS = np.array([300.0, 300.0, 160.0, 120.0])


def make_clip(**fields):
    return clip_data.Clip(name="clip", skeleton="ITOP15", xyz=XYZ, **fields)


def test_gif_keeps_frames_size_pace_and_colours():
    frames = np.zeros((3, 40, 60, 3), np.uint8)
    frames[1, :20] = (213, 94, 0)
    frames[2, :, 30:] = (0, 114, 178)
    data = animation.encode_gif(frames, milliseconds=70)
    with Image.open(io.BytesIO(data)) as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (3, (60, 40), 0)
        for index, frame in enumerate(frames):
            gif.seek(index)
            assert gif.info["duration"] == 70
            np.testing.assert_array_equal(np.asarray(gif.convert("RGB")), frame)


@pytest.fixture
def rendered(monkeypatch):
    """The figures of the frames, in order; small images stand in for their pixels."""
    figures = []

    def rgb(fig):
        figures.append(fig)
        return np.full((4, 4, 3), 40 * len(figures), np.uint8)

    monkeypatch.setattr(canvas, "rgb", rgb)
    return figures


@pytest.mark.parametrize("kind", ["depth", "color", None])
def test_clip_has_image_and_scene(tmp_path, rendered, kind):
    images = {
        "depth": np.full((5, 24, 32), 3.0, np.float32),
        "color": np.full((5, 24, 32, 3), 90, np.uint8),
    }
    fields = {} if kind is None else {kind: images[kind], "intrinsics": INTRINSICS}
    clip = make_clip(**fields, truth=XYZ + 0.1, points=XYZ, time=np.arange(5) / 10.0)
    path = tmp_path / "clip.gif"
    animation.draw_clip(path, clip, max_frames=4)
    with Image.open(path) as gif:
        assert gif.n_frames == 4
        # 0.4 s over 4 frames, 3 gaps.
        assert gif.info["duration"] == 130
    for fig in rendered:
        assert canvas.size(fig)[0] == 960
        assert [bool(ax.images) for ax in fig.axes] == [True] * bool(kind) + [False]
        for ax in fig.axes:  # of the pose and of the truth
            orders = {artist.get_zorder() for artist in ax.collections}
            assert {marks.POSE, marks.TRUTH} <= orders


@pytest.mark.parametrize(
    ("time", "milliseconds"),
    [(None, 70), (np.arange(5) / 1000.0, 30), (np.arange(5) * 9.0, 1000)],
)
def test_duration_of_a_frame_is_30_to_1000_milliseconds(
    tmp_path, rendered, time, milliseconds
):
    animation.draw_clip(tmp_path / "a.gif", make_clip(time=time), width=480)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.info["duration"] == milliseconds
