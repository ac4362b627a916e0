"""What the commands make of poses to look at: a page, a film or a viewer's scene."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from data_pipelines.ground import file_io
from data_pipelines.sequences import sequence
from unipose_jax import errors
from unipose_jax.cli import recorded_scene, recorded_video, viewers
from unipose_jax.report import page
from unipose_jax.report.viewer import scene


@dataclasses.dataclass(frozen=True, kw_only=True)
class Views:
    """What is wanted; all of it goes beside the pose file.

    Attributes:
        page: an interactive page, `poses.html` beside `poses.npz`.
        video: a film of all frames, `poses.mp4`.
        viewer: "rerun" writes `poses.rrd`, "viser" serves the scene until Ctrl-C.
    """

    page: bool = True
    video: bool = False
    viewer: str | None = None

    @property
    def points(self) -> bool:
        """Whether points of the people are shown."""
        return self.page or self.viewer is not None

    def check(self, output: pathlib.Path, *, recorded: bool = True) -> None:
        """Checks, before the work starts, what would fail at its end.

        Args:
            output: the pose file.
            recorded: whether there is a recording.

        Raises:
            errors.BadInput: names what is missing or in the way.
        """
        if self.page:
            page.check_free(output.with_suffix(".html"))
        if self.video and not recorded:
            raise errors.BadInput(
                "--video draws poses over the pictures of a recording: give --recording"
            )
        if self.video:
            file_io.check_writable(output.with_suffix(".mp4"))
        if self.viewer:
            viewers.check(self.viewer)
        if self.viewer == "rerun":
            file_io.check_writable(output.with_suffix(".rrd"))

    def write(
        self,
        poses: scene.Scene,
        output: pathlib.Path,
        *,
        title: str,
        opened: sequence.Sequence | None = None,
        places: Sequence[int] = (),
        clouds: Sequence[Mapping[int, np.ndarray]] = (),
    ) -> None:
        """Writes what is wanted, and a line for each.

        Args:
            poses: of people, in the frame of the depth camera.
            output: the pose file.
            title: of the page.
            opened: the recording, if there is one.
            places: position in the recording of each frame.
            clouds: see `recorded_scene.add_recording`.
        """
        shown = poses
        if opened is not None and self.points:
            try:
                shown = recorded_scene.add_recording(poses, opened, places, clouds)
            except errors.BadInput as error:
                errors.warn(f"{opened.name}: the poses are shown alone: {error}")
        if self.page:
            path = output.with_suffix(".html")
            page.write_page(
                path,
                [page.Section("", scenes=[shown])],
                title=title,
                subtitle=f"{poses.num_frames} frames, {poses.people[0].skeleton}",
            )
            print(f"page: {path}")
        if self.video and opened is not None:
            path = output.with_suffix(".mp4")
            recorded_video.write(path, poses, opened, places)
            print(f"video: {path}")
        if self.viewer:
            viewers.show(self.viewer, shown, output.with_suffix(".rrd"))
