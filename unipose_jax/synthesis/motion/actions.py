"""Tables of limb poses, and of actions that combine them.

All values are for the right-hand side; the left is its mirror image. Angles are
radians, arm lengths run from shoulder to wrist, leg lengths from hip to ankle. The
values were chosen by eye from images of the resulting poses.
"""

import dataclasses
import functools

import numpy as np

# Channels of one arm. The hand target (lateral outwards, down, forward; arm lengths
# from the shoulder, chest frame) has a mean and a deviation. `elbow` turns the elbow
# outwards about the line from shoulder to wrist. `osc_*` are rhythmic amplitudes
# (radians up and sideways, arm lengths, radians); `swing` scales the swing of the gait.
ARM_CHANNELS = (
    "lateral",
    "down",
    "forward",
    "elbow",
    "osc_up",
    "osc_side",
    "osc_reach",
    "osc_elbow",
    "swing",
    "pronation",
    "hand_flexion",
    "hand_deviation",
)


def _arm(target, spread, *, elbow=(0.35, 0.3), osc=(0.0, 0.0, 0.0, 0.0), swing=0.3):
    """One arm row: (means, deviations) in the order of `ARM_CHANNELS`."""
    mean = (*target, elbow[0], *osc, swing, 0.0, 0.1, 0.0)
    spread = (*spread, elbow[1], *(0.45 * o for o in osc), 0.3 * swing)
    return mean, (*spread, 0.7, 0.25, 0.15)


ARMS = {
    "hang": _arm((0.14, 0.95, 0.06), (0.08, 0.05, 0.10), swing=1.0),
    "bent": _arm((0.02, 0.60, 0.45), (0.12, 0.15, 0.15), swing=0.7),
    "reach": _arm((-0.02, 0.10, 0.85), (0.30, 0.35, 0.20)),
    "side": _arm((0.85, 0.05, 0.25), (0.20, 0.35, 0.30)),
    "up": _arm((0.12, -0.88, 0.12), (0.22, 0.18, 0.22)),
    "wave": _arm((0.45, -0.35, 0.25), (0.20, 0.25, 0.15), osc=(0.1, 0.3, 0, 0.25)),
    "hip": _arm((0.06, 0.62, -0.02), (0.05, 0.06, 0.06), elbow=(1.15, 0.2)),
    "head": _arm((-0.08, -0.42, 0.02), (0.08, 0.08, 0.08), elbow=(0.7, 0.35)),
    "face": _arm((-0.18, -0.12, 0.25), (0.08, 0.10, 0.08), elbow=(0.4, 0.3)),
    "cross": _arm((-0.45, 0.38, 0.34), (0.14, 0.15, 0.12), elbow=(0.3, 0.3)),
    "clap": _arm((-0.24, 0.30, 0.60), (0.05, 0.22, 0.14), osc=(0.05, 0.22, 0.03, 0.1)),
    "guard": _arm((-0.12, 0.02, 0.42), (0.10, 0.15, 0.12), elbow=(0.2, 0.25)),
    "punch": _arm((-0.10, 0.05, 0.62), (0.15, 0.15, 0.10), osc=(0.1, 0.15, 0.4, 0.2)),
    "swirl": _arm((0.25, 0.0, 0.60), (0.30, 0.35, 0.25), osc=(0.45, 0.45, 0.1, 0.2)),
    "back": _arm((-0.10, 0.66, -0.28), (0.12, 0.10, 0.10), elbow=(0.5, 0.3)),
    "cocked": _arm((0.40, -0.25, -0.30), (0.25, 0.30, 0.25), elbow=(0.5, 0.4)),
    "lap": _arm((-0.05, 0.62, 0.48), (0.12, 0.10, 0.12), elbow=(0.5, 0.3)),
    "any": _arm((0.15, 0.10, 0.30), (0.50, 0.60, 0.45), elbow=(0.4, 0.45)),
}

# Channels of the trunk. Positive: bend forward, lean to the right, turn to the right.
# With `hang`, arms hang along gravity instead of along a bent trunk. `tumble_*` turn
# the whole body about the pelvis, as in a fall or a cartwheel.
TRUNK_CHANNELS = (
    "pelvis_pitch",
    "pelvis_roll",
    "pelvis_yaw",
    "spine_pitch",
    "spine_roll",
    "spine_yaw",
    "head_pitch",
    "head_roll",
    "head_yaw",
    "hang",
    "tumble_pitch",
    "tumble_roll",
)
# Channels that change sign between right and left.
SIDEWAYS = (
    *("pelvis_roll", "pelvis_yaw", "spine_roll", "spine_yaw"),
    *("head_roll", "head_yaw", "tumble_roll"),
)


def _trunk(mean, spread, tumble=((0.0, 0.0), (0.0, 0.0))):
    """One trunk row; all rows share the distribution of head rotations."""
    mean = (*mean, 0.1, 0.0, 0.0, 0.5, *tumble[0])
    return mean, (*spread, 0.42, 0.2, 0.45, 0.3, *tumble[1])


_LOOSE = (0.2, 0.1, 0.2, 0.25, 0.15, 0.2)

TRUNKS = {
    "upright": _trunk((0.0, 0, 0, 0.03, 0, 0), (0.07, 0.04, 0.08, 0.08, 0.06, 0.12)),
    "lean": _trunk((0.15, 0, 0, 0.20, 0, 0), (0.1, 0.05, 0.1, 0.15, 0.08, 0.15)),
    "bow": _trunk((0.60, 0, 0, 0.55, 0, 0), (0.35, 0.06, 0.1, 0.25, 0.1, 0.2)),
    "tilt": _trunk((0.05, -0.1, 0, 0.1, -0.3, 0), (0.2, 0.12, 0.2, 0.2, 0.25, 0.2)),
    "twist": _trunk((0.05, 0, 0.2, 0.08, 0, 0.45), (0.1, 0.05, 0.2, 0.12, 0.1, 0.3)),
    "arch": _trunk((-0.10, 0, 0, -0.25, 0, 0), (0.1, 0.05, 0.1, 0.12, 0.1, 0.15)),
    "any": _trunk((0.15, 0, 0, 0.15, 0, 0), (0.3, 0.12, 0.25, 0.3, 0.25, 0.3)),
    "fallen": _trunk((0.2, 0, 0, 0.2, 0, 0), _LOOSE, ((-0.1, 0.0), (1.2, 1.2))),
    "upside_down": _trunk((0, 0, 0, 0, 0, 0), _LOOSE, ((0.3, 2.4), (0.6, 0.7))),
    "supine": _trunk((0.05, 0, 0, 0.05, 0, 0), _LOOSE, ((-1.5, 0.0), (0.12, 0.3))),
    "prone": _trunk((0.0, 0, 0, 0.0, 0, 0), _LOOSE, ((1.5, 0.0), (0.12, 0.3))),
    "all_fours": _trunk((0.1, 0, 0, 0.1, 0, 0), _LOOSE, ((1.25, 0.0), (0.15, 0.1))),
}

# Channels of the legs: pelvis height as a share of the maximum for the foot positions,
# pelvis offset from the feet (leg lengths, right and forward), then for the right and
# the left foot: position relative to the hip (outwards, forward), lift (leg lengths),
# turn-out, heel raise, knee turned outwards.
FOOT_CHANNELS = ("out", "forward", "lift", "toe_out", "heel", "knee_out")
LEG_CHANNELS = ("height", "sway_right", "sway_forward")
NUM_LEG_CHANNELS = len(LEG_CHANNELS) + 2 * len(FOOT_CHANNELS)
_FOOT = (0.03, 0.0, 0.0, 0.15, 0.0, 0.05)
_FOOT_SPREAD = (0.05, 0.05, 0.0, 0.15, 0.03, 0.1)


def _legs(
    height, right=_FOOT, left=_FOOT, *, right_spread=_FOOT_SPREAD, sway=0.03, ahead=0.0
):
    """One leg row: (means, deviations), first the pelvis, right foot, left foot."""
    mean = (height[0], 0.0, ahead, *right, *left)
    return mean, (height[1], sway, 0.6 * sway, *right_spread, *_FOOT_SPREAD)


_KICK_SPREAD = (0.10, 0.2, 0.18, 0.2, 0.1, 0.15)
_WIDE_SPREAD = (0.12, 0.12, 0.0, 0.2, 0.05, 0.15)
_WIDE = (0.20, 0.0, 0.0, 0.3, 0.0, 0.2)
_SEATED = (0.05, 0.45, 0.0, 0.15, 0.0, 0.1)

LEGS = {
    "stand": _legs((0.998, 0.008)),
    "wide": _legs((0.95, 0.05), _WIDE, _WIDE, right_spread=_WIDE_SPREAD, sway=0.08),
    "stride": _legs(
        (0.96, 0.04),
        (0.05, 0.25, 0, 0.1, 0.0, 0.05),
        (0.05, -0.2, 0, 0.3, 0.15, 0.05),
        right_spread=_WIDE_SPREAD,
    ),
    "lunge": _legs(
        (0.78, 0.12),
        (0.03, 0.55, 0, 0.1, 0.0, 0.1),
        (0.03, -0.5, 0, 0.3, 0.6, 0.1),
        right_spread=_WIDE_SPREAD,
        ahead=0.05,
    ),
    "side_lunge": _legs(
        (0.80, 0.12),
        (0.35, 0.05, 0, 0.5, 0.0, 0.3),
        (0.45, 0.0, 0, 0.2, 0.0, 0.1),
        right_spread=_WIDE_SPREAD,
        sway=0.15,
    ),
    "squat": _legs(
        (0.62, 0.16),
        (0.12, 0.05, 0, 0.35, 0.1, 0.25),
        (0.12, 0.05, 0, 0.35, 0.1, 0.25),
        ahead=-0.08,
    ),
    "sit": _legs((0.60, 0.07), _SEATED, _SEATED, right_spread=_WIDE_SPREAD),
    "kneel": _legs(
        (0.55, 0.06),
        (0.06, 0.35, 0, 0.1, 0.0, 0.1),
        (0.04, -0.42, 0, 0.1, 1.1, 0.05),
    ),
    "kick": _legs(
        (0.98, 0.02),
        (0.02, 0.55, 0.40, 0.1, 0.1, 0.1),
        right_spread=_KICK_SPREAD,
    ),
    "side_kick": _legs(
        (0.98, 0.02),
        (0.55, 0.1, 0.30, 0.2, 0.1, 0.1),
        right_spread=_KICK_SPREAD,
    ),
    "back_kick": _legs(
        (0.97, 0.03),
        (0.03, -0.40, 0.30, 0.1, 0.2, 0.1),
        right_spread=_KICK_SPREAD,
    ),
    "knee_up": _legs(
        (0.99, 0.01),
        (0.03, 0.25, 0.42, 0.1, 0.0, 0.1),
        right_spread=_KICK_SPREAD,
    ),
    "arabesque": _legs(
        (0.97, 0.03),
        (0.08, -0.60, 0.35, 0.2, 0.3, 0.1),
        right_spread=(0.15, 0.2, 0.30, 0.2, 0.1, 0.15),
    ),
    "back_stride": _legs(
        (0.96, 0.04),
        (0.05, -0.45, 0.0, 0.3, 0.6, 0.1),
        right_spread=(0.15, 0.2, 0.03, 0.3, 0.3, 0.15),
    ),
    "attitude": _legs(
        (0.97, 0.03),
        (0.30, -0.05, 0.42, 0.4, 0.1, 0.6),
        right_spread=(0.20, 0.25, 0.18, 0.3, 0.1, 0.4),
    ),
    "tiptoe": _legs(
        (0.99, 0.01), (0.03, 0, 0, 0.15, 0.6, 0), (0.03, 0, 0, 0.15, 0.6, 0)
    ),
}

# Forward lean of the pelvis (radians) that balances a row of legs.
LEG_LEAN = {"squat": 0.45, "lunge": 0.15, "kneel": 0.1, "sit": 0.05, "kick": -0.2}
LEG_LEAN |= {"back_kick": 0.3, "stride": 0.05, "arabesque": 0.6, "back_stride": 0.1}


@dataclasses.dataclass(frozen=True)
class Action:
    """An action: the table rows of the limbs, and the parameters of gait and rhythm.

    `main` and `other` name the arm rows of one random side and of the other. `gait` is
    0 or 1 (steps), `speed` the range of walking speed (m/s, of a person of 1.75 m),
    `lift` the height of swinging feet (leg lengths), `jump` the range of jump heights
    (m), `turn` the largest yaw rate (rad/s), `rhythm` the arms' oscillation (Hz).
    """

    main: str = "hang"
    other: str = "hang"
    trunk: str = "upright"
    legs: str = "stand"
    gait: float = 0.0
    speed: tuple[float, float] = (0.0, 0.0)
    cadence: tuple[float, float] = (0.75, 0.95)  # strides (two steps) per second
    duty: float = 0.62  # share of the stride during which a foot is on the floor
    lift: float = 0.14
    jump: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.3
    rhythm: tuple[float, float] = (0.5, 1.2)
    opposed: float = 0.0  # 1: the arms oscillate in opposite phase
    split: float = 0.0  # largest foot offset forward or back in a jump, leg lengths
    pace: float = 1.0  # multiplies the time between key poses
    mix: float = 0.0  # probability of random rows, if larger than in `MotionParams`


_walk = functools.partial(Action, gait=1.0, speed=(0.5, 1.7), turn=0.7)
_run = functools.partial(
    Action, "bent", "bent", gait=1.0, cadence=(1.1, 1.35), duty=0.38, lift=0.38
)

ACTIONS = {
    "stand": Action(),
    "walk": _walk(),
    "walk_in_place": Action(gait=1.0, lift=0.25),
    "walk_and_gesture": _walk("any"),
    "step_about": Action(gait=1.0, speed=(-0.6, 0.6), turn=1.2, main="any"),
    "run": _run(trunk="lean", speed=(2.0, 3.8), turn=0.5),
    "run_in_place": _run(speed=(0.0, 0.3), turn=0.5),
    "turn": Action(gait=1.0, turn=2.5, lift=0.1, trunk="twist"),
    "reach": Action(main="reach"),
    "point": Action(main="side", other="hang", trunk="twist"),
    "reach_both": Action(main="reach", other="reach", legs="stride"),
    "wave": Action(main="wave", rhythm=(1.2, 2.2)),
    "arms_up": Action(main="up", other="up"),
    "arms_side": Action(main="side", other="side"),
    "clap": Action(main="clap", other="clap", rhythm=(1.2, 2.5)),
    "cross_arms": Action(main="cross", other="cross"),
    "box": Action(
        main="punch",
        other="punch",
        legs="stride",
        trunk="any",
        rhythm=(1.0, 2.0),
        opposed=1.0,
    ),
    "guard": Action(main="guard", other="guard", legs="stride", trunk="lean"),
    "kick": Action(main="guard", other="guard", legs="kick", pace=0.65),
    "side_kick": Action(
        main="any", other="guard", legs="side_kick", trunk="tilt", pace=0.65
    ),
    "back_kick": Action(main="reach", legs="back_kick", trunk="lean", pace=0.65),
    "knee_up": Action(main="hang", other="bent", legs="knee_up", pace=0.65),
    "bow": Action(trunk="bow"),
    "pick_up": Action(main="reach", trunk="bow", legs="squat"),
    "bend_side": Action(main="up", other="hip", trunk="tilt", legs="wide"),
    "squat": Action(main="reach", other="reach", legs="squat"),
    "sit": Action(main="lap", other="lap", legs="sit", turn=0.0),
    "sit_and_gesture": Action(main="any", other="lap", legs="sit", turn=0.0),
    "hands_on_hips": Action(main="hip", other="hip", legs="wide"),
    "hands_on_head": Action(main="head", other="head"),
    "hand_on_face": Action(main="face", other="cross"),
    "hands_on_back": Action(main="back", other="back"),
    "explore": Action(main="any", other="any", trunk="any", legs="wide"),
    "swirl": Action(main="swirl", other="swirl", trunk="twist", rhythm=(0.4, 0.9)),
    "throw": Action(
        main="cocked", other="reach", trunk="twist", legs="stride", pace=0.7
    ),
    "lunge": Action(main="reach", other="hip", legs="lunge"),
    "side_lunge": Action(main="side", other="bent", legs="side_lunge", trunk="tilt"),
    "kneel": Action(main="bent", other="lap", legs="kneel", turn=0.0),
    "jump": Action(main="bent", other="bent", jump=(0.08, 0.40)),
    "jumping_jack": Action(main="up", other="up", legs="wide", jump=(0.04, 0.15)),
    "dance": Action(
        main="swirl",
        other="any",
        trunk="any",
        legs="wide",
        gait=1.0,
        turn=1.5,
        jump=(0.0, 0.05),
        speed=(-0.5, 0.5),
    ),
    "tiptoe": Action(main="up", other="any", legs="tiptoe"),
    "leap": Action(
        main="side", other="side", jump=(0.10, 0.45), speed=(0.3, 3.0), split=0.6
    ),
    "arabesque": Action(main="side", other="side", trunk="lean", legs="arabesque"),
    "pose": Action(main="up", other="any", trunk="tilt", legs="back_stride"),
    "attitude": Action(main="side", other="any", trunk="any", legs="attitude"),
    "improvise": Action(main="any", other="any", trunk="any", mix=0.9),
    "fall": Action(main="any", other="any", trunk="fallen", legs="squat", pace=1.6),
    "cartwheel": Action(
        main="up", other="up", trunk="upside_down", legs="wide", pace=2.0
    ),
    "lie": Action(main="any", trunk="supine", turn=0.0, pace=1.6),
    "lie_prone": Action(main="bent", other="up", trunk="prone", turn=0.0, pace=1.6),
    # Seated legs of a body that is turned forward: thighs down, shanks on the floor.
    "crawl": Action("reach", "reach", trunk="all_fours", legs="sit", turn=0.2),
}
FLOOR_ACTIONS = ("lie", "lie_prone", "crawl")  # not among the default motions
# Relative frequencies of actions; all others have 1.
_EMPHASIS = {"walk": 3.0, "walk_and_gesture": 2.0, "run": 1.5, "explore": 3.0}
_EMPHASIS |= {"improvise": 5.0, "stand": 1.5, "reach": 1.5, "point": 1.5}
_EMPHASIS |= {"fall": 0.4, "cartwheel": 0.4}


@dataclasses.dataclass(frozen=True)
class MotionParams:
    """Distribution of motions. Times in seconds, angles in radians.

    `action_weights` are (name, weight) pairs over `ACTIONS`; an action that is not
    named does not occur.
    """

    action_weights: tuple[tuple[str, float], ...] = tuple(
        (name, _EMPHASIS.get(name, 1.0))
        for name in ACTIONS
        if name not in FLOOR_ACTIONS
    )
    num_key_poses: int = 4  # in a clip's ring
    key_interval: tuple[float, float] = (0.65, 2.4)  # log-uniform
    min_move: float = 0.5  # shortest time of a move between key poses
    mix: float = 0.2  # probability that a limb of a key pose has a random row
    rest: float = 0.2  # probability that a key pose is the relaxed standing pose
    symmetric: float = 0.4  # probability that the arms move symmetrically
    persistence: float = 0.5  # share of the variance common to a clip's key poses
    spread: float = 1.0  # multiplies all deviations of the limb tables
    rhythm: float = 1.0  # multiplies the rhythmic amplitudes of the arms
    sway: float = 1.0  # multiplies involuntary motion
    speed: float = 1.0  # multiplies walking speeds
    yaw_range: tuple[float, float] = (-np.pi, np.pi)  # heading; 0 faces +z
    place_range: float = 0.0  # half-width of the square of starting places, metres


def row_index(table: dict, name: str) -> int:
    """Position of a named row in `ARMS`, `TRUNKS`, `LEGS` or `ACTIONS`."""
    if name not in table:
        raise ValueError(f"unknown row {name!r}; choose from {sorted(table)}")
    return list(table).index(name)


def stack_rows(table: dict) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations of a table, each (rows, channels) float32."""
    means = np.asarray([mean for mean, _ in table.values()], np.float32)
    return means, np.asarray([spread for _, spread in table.values()], np.float32)
