"""What is scored: recorded frames with the person in them, and 2D keypoints."""

import dataclasses
import functools

import numpy as np

from data_pipelines.keypoints import detections
from data_pipelines.sequences import sequence, tracks


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Plain(sequence.SubSequence):
    """Another sequence, without its truth, and its masks and keypoints on request."""

    with_masks: bool
    with_keypoints: bool

    def mask(self, index: int) -> np.ndarray | None:
        """The mask of the sequence, if masks are used."""
        return super().mask(index) if self.with_masks else None

    def joints(self) -> None:
        """No truth: nothing that is scored may read it."""
        return None

    def keypoint_detections(self) -> detections.Detections | None:
        """The keypoints of the sequence, if keypoints are used."""
        return super().keypoint_detections() if self.with_keypoints else None


def plain(
    whole: sequence.Sequence, *, masks: bool = False, keypoints: bool = False
) -> Plain:
    """A sequence with or without its masks and keypoints."""
    base = sequence.SubSequence.of(whole, 0, len(whole))
    fields = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
    fields["name"] = whole.name
    return Plain(**fields, with_masks=masks, with_keypoints=keypoints)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """Frames of one person from one camera.

    Attributes:
        recorded: the frames, with their masks and keypoints if there are any.
        masks: whether the masks that come with the data are used instead of the
            package's own segmentation.
    """

    recorded: sequence.Sequence
    masks: bool = False

    def __len__(self) -> int:
        return len(self.recorded)

    @functools.cached_property
    def depth_only(self) -> sequence.Sequence:
        """The frames without keypoints."""
        return plain(self.recorded, masks=self.masks)

    @functools.cached_property
    def with_keypoints(self) -> sequence.Sequence:
        """The frames with their keypoints."""
        return plain(self.recorded, masks=self.masks, keypoints=True)

    @property
    def has_keypoints(self) -> bool:
        """Whether there are 2D keypoints of the frames."""
        return self.recorded.keypoint_detections() is not None

    @functools.cached_property
    def clouds(self) -> list[tracks.PersonCloud]:
        """The person in each frame, found without keypoints."""
        return list(tracks.person_clouds(self.depth_only))
