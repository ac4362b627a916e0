"""Person segmentation in depth maps: mask, bounding box and floor.

Works on a grid of about 160 columns: find the planes that bound the room (`planes`),
remove them and everything behind them, split the rest into regions at depth edges, and
group nearby regions into bodies. The person is the most evident body so far: its shape,
motion, keypoints if known, and distance to the camera (`body_evidence`).
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np

from data_pipelines.segmentation import (
    body_evidence,
    person_candidates,
    person_lock,
    planes,
    touching_people,
)
from unipose_jax.geometry import camera

_GRID = 160  # columns of the grid on which regions are found
_MIN_REGION = 6  # grid pixels


class KeypointHint(NamedTuple):
    """2D keypoints of the person to segment, in the depth camera or another one."""

    uv: np.ndarray  # (joints, 2), undistorted pixels
    confidence: np.ndarray  # (joints,), 0 where there is no keypoint
    intrinsics: np.ndarray  # (4,): fx, fy, cx, cy of the keypoint camera, pixels
    cam_from_depth: np.ndarray  # (4, 4), metres


@dataclasses.dataclass(frozen=True, eq=False)
class Segmentation:
    """One person in one depth map. The mask is empty if no person was found."""

    mask: np.ndarray  # bool (height, width)
    box: tuple[int, int, int, int]  # left, top, right, bottom, pixels
    floor: np.ndarray | None  # (4,) plane as in `planes`, camera frame
    score: float  # plausibility that it is a person, in [0, 1]


class _Grid(NamedTuple):
    """A depth map on the coarse grid."""

    step: int  # pixels of the depth map per grid pixel
    z: np.ndarray  # float32 (rows, columns), metres, 0 where missing
    xyz: np.ndarray  # float32 (rows, columns, 3), metres
    pixel_angle: float  # width of a grid pixel at z = 1 m, metres


class SegmentedFrame(NamedTuple):
    """A depth map with its room planes, regions and candidate bodies."""

    depth: np.ndarray  # float32 (height, width), metres, 0 where missing
    grid: _Grid
    room: planes.Planes
    labels: np.ndarray  # (rows, columns) of the grid, region number
    candidates: list[
        person_candidates.Candidate
    ]  # groups of regions with their plausibility
    motion_mask: np.ndarray  # bool (rows, columns), nearer than the background


def extract_person(
    view: SegmentedFrame, body: person_candidates.Candidate
) -> Segmentation:
    """Mask, box and floor of one candidate body of a frame."""
    person = person_candidates.region_mask(view.labels, body.regions)
    person = _add_feet(person, view.grid, view.room)
    mask = _refine_mask(view.depth, view.grid, person)
    return Segmentation(mask, _box(mask), view.room.floor, body.score)


def observe(
    view: SegmentedFrame, region_votes: np.ndarray | None = None
) -> list[body_evidence.Body]:
    """Evidence for each of the frame's candidates.

    Args:
        view: the frame.
        region_votes: (regions,), share of the keypoints or of a mask on each region, if
            there are any; see `keypoint_votes` and `mask_votes`.
    """
    votes = np.full(len(view.candidates), np.nan)
    if region_votes is not None:
        votes = np.array([region_votes[b.regions].sum() for b in view.candidates])
    moved = body_evidence.moved_shares(
        view.candidates, view.labels, view.grid.z, view.motion_mask
    )
    return [
        body_evidence.Body(body.center, body.area, body.score, float(share), float(hit))
        for body, share, hit in zip(
            view.candidates, moved, np.minimum(votes, 1.0), strict=True
        )
    ]


def keypoint_votes(view: SegmentedFrame, hint: KeypointHint) -> np.ndarray:
    """Share of the keypoints, by confidence, on each region: (regions,)."""
    grid, labels = view.grid, view.labels
    points = grid.xyz[labels > 0] @ hint.cam_from_depth[:3, :3].T
    points = points + hint.cam_from_depth[:3, 3]
    uv = camera.uv_from_xyz(points, hint.intrinsics)
    seen = (hint.confidence > 0) & np.isfinite(hint.uv).all(axis=1)
    away = np.abs(uv[:, None] - hint.uv[seen]).max(axis=-1)
    near = away < 1.5 * grid.pixel_angle * hint.intrinsics[0]
    votes = np.zeros(labels.max() + 1)
    if not seen.any():
        return votes
    for joint in range(near.shape[1]):
        hit = np.unique(labels[labels > 0][near[:, joint]])
        votes[hit] += hint.confidence[seen][joint]
    return votes / hint.confidence[seen].sum()


def mask_votes(view: SegmentedFrame, mask: np.ndarray) -> np.ndarray:
    """Share of the pixels of a mask (bool, as the depth map) on each region."""
    inside = _downsample(mask, view.grid.step)
    votes = np.bincount(view.labels[inside], minlength=view.labels.max() + 1)
    votes[0] = 0
    return votes / max(int(inside.sum()), 1)


class Segmenter:
    """Segments successive depth maps and follows the chosen person.

    Call `reset()` before another recording.
    """

    def __init__(self, rays: np.ndarray, intrinsics: np.ndarray):
        """Sets the depth camera.

        Args:
            rays: float32 (height, width, 2), x/z and y/z of each pixel
                (`calibration.Camera.rays`).
            intrinsics: (fx, fy, cx, cy), pixels.
        """
        long, short = max(rays.shape[:2]), min(rays.shape[:2])
        self._step = min(max(1, round(long / _GRID)), short)  # at least one block
        self._rays = _downsample(rays, self._step)
        self._pixel_angle = self._step / float(np.sqrt(intrinsics[0] * intrinsics[1]))
        self.reset()

    def reset(self) -> None:
        """Clears the person and the background of previous frames."""
        self._lock = person_lock.PersonLock()
        self._background = np.zeros(self._rays.shape[:2], np.float32)

    def __call__(
        self,
        depth: np.ndarray,
        hint: KeypointHint | None = None,
        time: float | None = None,
    ) -> Segmentation:
        """Segments the person.

        Args:
            depth: (height, width), metres; 0, NaN or infinite where missing.
            hint: keypoints of the person to segment, if known.
            time: seconds; by default a thirtieth after the previous frame.
        """
        view = self.analyze(depth)
        votes = None if hint is None else keypoint_votes(view, hint)
        chosen = self._lock(observe(view, votes), time)
        if chosen is None:
            nothing = np.zeros(view.depth.shape, bool)
            return Segmentation(nothing, (0,) * 4, view.room.floor, 0.0)
        return extract_person(view, view.candidates[chosen])

    def analyze(self, depth: np.ndarray) -> SegmentedFrame:
        """Finds candidate bodies. The next step is `extract_person`.

        Args:
            depth: (height, width), metres; 0, NaN or infinite where missing.
        """
        depth, grid = self._grid(depth)
        room = planes.find_planes(grid.xyz, grid.pixel_angle, np.random.default_rng(0))
        labels = _regions(grid, room)
        regions = person_candidates.measure_regions(labels, grid.xyz, grid.pixel_angle)
        found = person_candidates.find_candidates(
            regions, grid.xyz, grid.pixel_angle, room.floor
        )
        found, labels = touching_people.divide(
            found, labels, grid.xyz, grid.pixel_angle, room.floor
        )
        return SegmentedFrame(
            depth, grid, room, labels, found, self._update_background(grid.z)
        )

    def restore(
        self,
        depth: np.ndarray,
        room: planes.Planes,
        labels: np.ndarray,
        candidates: list[person_candidates.Candidate],
    ) -> SegmentedFrame:
        """A frame that was analysed before, without its motion; much faster.

        Args:
            depth: the same depth map.
            room: planes that `analyze` found.
            labels: (rows, columns) of the grid, regions that it found.
            candidates: bodies that it found.
        """
        depth, grid = self._grid(depth)
        still = np.zeros(labels.shape, bool)
        return SegmentedFrame(depth, grid, room, labels, candidates, still)

    def _grid(self, depth: np.ndarray) -> tuple[np.ndarray, _Grid]:
        """The depth map with 0 where it is missing, and the coarse grid of it."""
        known = np.isfinite(depth) & (depth > 0)
        depth = np.where(known, depth, 0).astype(np.float32)
        z = _downsample_depth(depth, self._step)
        xyz = np.concatenate([self._rays * z[..., None], z[..., None]], axis=-1)
        return depth, _Grid(self._step, z, xyz, self._pixel_angle)

    def _update_background(self, z: np.ndarray) -> np.ndarray:
        """Mask of pixels nearer than the farthest depth seen so far: bool."""
        moved = body_evidence.moved_pixels(z, self._background)
        self._background = np.maximum(self._background, z)
        return moved


def _downsample(values: np.ndarray, step: int) -> np.ndarray:
    """Value at the centre of each step x step block."""
    rows, columns = (size // step for size in values.shape[:2])
    return values[step // 2 :: step, step // 2 :: step][:rows, :columns]


def _downsample_depth(depth: np.ndarray, step: int) -> np.ndarray:
    """Depth on the grid. A hole gets the smallest depth of its block, if any."""
    z = _downsample(depth, step).copy()
    hole = z <= 0
    if hole.any():
        v, u = (step * index for index in np.nonzero(hole))
        block = np.stack(
            [depth[v + i, u + j] for i in range(step) for j in range(step)]
        )
        nearest = np.where(block > 0, block, np.float32(np.inf)).min(axis=0)
        z[hole] = np.where(np.isfinite(nearest), nearest, 0)
    return z


def _regions(grid: _Grid, room: planes.Planes) -> np.ndarray:
    """Labels connected regions in front of the room's planes; 0 is background.

    Neighbouring pixels are connected unless there is a depth edge between them. Pixels
    go to every second node of a finer binary image and their connections to the nodes
    between, so that standard connected-component labelling respects depth edges without
    thinning limbs.
    """
    z, keep, jump = grid.z, _foreground(grid, room, floor_slack=1.5), _jump(grid.z)
    nodes = np.zeros((2 * z.shape[0] - 1, 2 * z.shape[1] - 1), np.uint8)
    nodes[::2, ::2] = keep
    nodes[::2, 1::2] = (
        _is_connected(z[:, 1:], z[:, :-1], jump[:, 1:]) & keep[:, 1:] & keep[:, :-1]
    )
    nodes[1::2, ::2] = _is_connected(z[1:], z[:-1], jump[1:]) & keep[1:] & keep[:-1]
    _, labels = cv2.connectedComponents(nodes, connectivity=4, ltype=cv2.CV_32S)
    labels = np.ascontiguousarray(labels[::2, ::2])
    size = np.bincount(labels.ravel())
    size[0] = 0
    number = np.cumsum(size >= _MIN_REGION) * (size >= _MIN_REGION)
    return number[labels]


def _foreground(grid: _Grid, room: planes.Planes, floor_slack: float) -> np.ndarray:
    """Mask of pixels in front of the walls and above the floor."""
    keep = grid.z > 0
    for plane, slack in [(wall, 1.5) for wall in room.walls] + (
        [] if room.floor is None else [(room.floor, floor_slack)]
    ):
        distance = planes.signed_distance(grid.xyz, plane)
        keep &= distance > slack * planes.tolerance(grid.z, plane)
    return keep


def _jump(z: np.ndarray) -> np.ndarray:
    """Depth step between neighbouring grid pixels that counts as an edge, metres."""
    return np.maximum(np.float32(0.06), np.float32(0.035) * z)


def _is_connected(a: np.ndarray, b: np.ndarray, jump: np.ndarray) -> np.ndarray:
    return np.abs(a - b) < jump


def _add_feet(person: np.ndarray, grid: _Grid, room: planes.Planes) -> np.ndarray:
    """Adds pixels that touch the person and lie just above the floor.

    Regions are found with a wide tolerance around the floor, which removes the feet.
    Next to the person, pixels above the noise of the floor belong to a foot.
    """
    if room.floor is None:
        return person
    rising = _foreground(grid, room, floor_slack=0.7)
    rising &= ~_foreground(grid, room, floor_slack=1.5)
    jump = _jump(grid.z)
    for _ in range(3):
        near, far = _depth_around(person, grid.z)
        person = person | (rising & (grid.z > near - jump) & (grid.z < far + jump))
    return person


def _depth_around(person: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest depth of the person within one grid pixel of each."""
    around = np.ones((3, 3), np.uint8)
    near = cv2.erode(np.where(person, z, np.float32(1e3)), around)
    return near, cv2.dilate(np.where(person, z, np.float32(-1e3)), around)


def _refine_mask(depth: np.ndarray, grid: _Grid, person: np.ndarray) -> np.ndarray:
    """Mask of the person at full resolution.

    A pixel belongs to the person if its depth is within the range of the person's grid
    pixels around it, plus a tolerance. Image pixels beyond the last block of the grid
    use the last grid pixels.
    """
    near, far = _depth_around(person, grid.z)
    slack = np.maximum(np.float32(0.04), np.float32(0.025) * grid.z)
    size = (person.shape[1] * grid.step, person.shape[0] * grid.step)
    below, right = depth.shape[0] - size[1], depth.shape[1] - size[0]
    near, far = (
        cv2.copyMakeBorder(
            cv2.resize(limit, size, interpolation=cv2.INTER_NEAREST),
            *(0, below, 0, right),
            cv2.BORDER_REPLICATE,
        )
        for limit in (near - slack, far + slack)
    )
    return (depth > near) & (depth < far) & (depth > 0)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
