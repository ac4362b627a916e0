"""Motion that is added to the interpolated key poses: steps, jumps, rhythm and sway."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from unipose_jax.geometry import numerics
from unipose_jax.synthesis.motion import actions, clip_sampling, curves, posture


def root_path(
    elapsed: Float[Array, " frames"],
    action_params: clip_sampling.ActionParameters,
    timing: clip_sampling.Timing,
) -> Float[Array, "frames 3"]:
    """Floor position of a person who walks at constant speed and turning rate.

    The integral of v (sin, 0, cos)(yaw) over time, which is v t sinc(w t / 2) in the
    direction of the yaw at half the time, metres.

    Args:
        elapsed: seconds since the time at which the position is `timing.place`.
        action_params: speed and turning rate.
        timing: heading and position.
    """
    half = 0.5 * action_params.turn * elapsed
    along = action_params.speed * elapsed * jnp.sinc(half / jnp.pi)
    heading = timing.yaw + timing.heading + half
    across = jnp.stack([jnp.sin(heading), 0.0 * heading, jnp.cos(heading)], axis=-1)
    return timing.place[None] + along[:, None] * across


def add_lifts(
    pose: posture.Pose,
    legs: Float[Array, "keys 15"],
    bump: Float[Array, "frames keys"],
) -> posture.Pose:
    """Lifts feet by their table rows, and feet that move to another floor position.

    The lower foot always stands; gait and jump are added elsewhere.
    """
    feet = jnp.stack([legs[:, 3:5], legs[:, 9:11]], axis=1)
    moved = numerics.safe_norm(jnp.roll(feet, -1, axis=0) - feet)
    stepping = 0.3 * jnp.minimum(moved, 0.5)
    stepping = jnp.einsum("tk,ks->ts", bump, stepping, precision="highest")
    lift = jnp.stack([pose.legs[:, 5], pose.legs[:, 11]], axis=-1)
    lift = jnp.maximum(lift, 0.0) + stepping
    return pose._replace(lift=lift - jnp.min(lift, axis=-1, keepdims=True))


def _stride(action_params: clip_sampling.ActionParameters) -> tuple[Array, Array]:
    """Strides per second, which increase with speed, and the share of the stance.

    During the stance the body moves at most 0.75 m (running) or 1 m (walking) over the
    foot.
    """
    speed = jnp.abs(action_params.speed)
    cadence = action_params.cadence + 0.25 * jnp.clip(speed - 1.0, 0.0, 0.8)
    travel = jnp.where(action_params.duty < 0.5, 0.75, 1.0)
    return cadence, jnp.minimum(
        action_params.duty, travel * cadence / jnp.maximum(speed, 0.1)
    )


def _bob(
    phase: Float[Array, " frames"], half: Float[Array, ""], runs: Bool[Array, ""]
) -> Float[Array, " frames"]:
    """Height of the pelvis during a stride relative to standing, leg lengths.

    In mid-stance the pelvis is highest when walking and lowest when running.

    Args:
        phase: strides since the middle of a stance.
        half: half the distance that the body moves during a stance, metres.
        runs: whether both feet leave the floor during a stride.
    """
    wave = jnp.cos(2.0 * curves.TAU * phase)
    vault = 0.42 * half**2  # drop of a leg of 0.87 m that reaches 0.8 half ahead
    return jnp.where(runs, -0.065 - 0.05 * wave, 0.5 * vault * (wave - 1.0))


def add_gait(
    pose: posture.Pose,
    time: Float[Array, " frames"],
    action_params: clip_sampling.ActionParameters,
    timing: clip_sampling.Timing,
) -> posture.Pose:
    """Adds steps in the direction of travel, opposed arm swing and trunk rotation."""
    cadence, duty = _stride(action_params)
    phase = cadence * time[:, None] + timing.gait_phase + jnp.asarray([[0.0, 0.5]])
    place, lift = curves.foot_cycle(phase, duty=duty)
    half = 0.5 * action_params.speed * duty / cadence  # metres
    # A foot takes off farther behind the body than it lands in front of it.
    step = action_params.gait * half * (place - 0.2)
    step = jnp.stack(
        [step * jnp.sin(timing.heading), step * jnp.cos(timing.heading)], axis=-1
    )
    effort = action_params.gait * jnp.clip(
        jnp.abs(action_params.speed) / 1.4, 0.15, 1.6
    )
    toe_off = curves.pulse(phase, center=duty)
    strike = curves.pulse(phase, center=jnp.asarray(0.98))
    heel = jnp.minimum(effort, 1.1) * (0.95 * toe_off - 0.25 * strike)
    opposite = -jnp.cos(curves.TAU * (phase - 0.5 * duty + 0.25))
    effort = jnp.minimum(effort, 1.2)
    swing = effort * timing.swing * pose.arms[..., 8] * opposite
    turn = effort * opposite[:, 0] * 0.1
    sink = _bob(phase[:, 0] - 0.5 * duty, half, action_params.duty < 0.5)
    sink = sink - 0.005 - 0.045 * timing.bounce
    height = action_params.gait * action_params.lift * (0.5 + 0.5 * timing.swing) * lift
    return pose._replace(
        step=pose.step + step,
        lift=pose.lift + height,
        heel=pose.heel + heel,
        arms=pose.arms.at[..., 0].add(0.38 * swing).at[..., 2].add(-0.03 * swing),
        trunk=pose.trunk.at[:, 2].add(turn).at[:, 5].add(-2.0 * turn),
        legs=pose.legs.at[:, 0].add(action_params.gait * sink),
        gait=pose.gait + action_params.gait,
    )


def add_jump(
    pose: posture.Pose,
    time: Float[Array, " frames"],
    action_params: clip_sampling.ActionParameters,
    timing: clip_sampling.Timing,
) -> posture.Pose:
    """Adds repeated jumps: crouch, take-off, and a flight time that fits the height.

    In the air the legs may split forward and back, or be drawn up.
    """
    # Duration of a ballistic flight plus 20 % for a smooth take-off and landing.
    airborne = 2.4 * jnp.sqrt(2.0 * action_params.jump / 9.81) + 1e-3  # seconds
    period = airborne + 0.45 + 0.8 * timing.bounce
    phase = time / period + timing.jump_phase
    height, crouch = curves.jump_cycle(phase, flight=airborne / period)
    depth = jnp.clip(1.2 * action_params.jump, 0.0, 0.35)
    tuck = jnp.clip(1.6 * timing.tuck - 0.8, 0.0, 0.6) * jnp.minimum(
        action_params.jump, 0.4
    )
    drop = depth * crouch + tuck * height
    split = action_params.split * height
    split = jnp.stack([jnp.zeros_like(split), split], axis=-1)
    heel = pose.heel + (jnp.clip(3.0 * action_params.jump, 0.0, 0.7) * height)[:, None]
    return pose._replace(
        legs=pose.legs.at[:, 0].add(-drop),
        trunk=pose.trunk.at[:, 0].add(1.2 * depth * crouch),
        heel=heel,
        lift=pose.lift + (tuck * height)[:, None],
        step=pose.step + jnp.stack([split, -split], axis=1),
        air=pose.air + action_params.jump * height,
    )


def add_rhythm(
    phases: Float[Array, "4"],
    pose: posture.Pose,
    time: Float[Array, " frames"],
    action_params: clip_sampling.ActionParameters,
    params: actions.MotionParams,
) -> posture.Pose:
    """Adds arm oscillations with the amplitudes of the table rows, such as waving."""
    side = 0.5 * action_params.opposed * jnp.asarray([0.0, 1.0]).reshape(1, 2, 1)
    cycle = action_params.rhythm * time[:, None, None] + phases.reshape(1, 1, 4) + side
    wave = jnp.sin(curves.TAU * cycle) + 0.2 * jnp.sin(2.0 * curves.TAU * cycle)
    moved = pose.arms[..., :4] + params.rhythm * pose.arms[..., 4:8] * wave
    return pose._replace(arms=jnp.concatenate([moved, pose.arms[..., 4:]], axis=-1))


# Standard deviations of involuntary motion: arms (angles, arm lengths, elbow), trunk,
# pelvis over the feet (leg lengths).
_ARM_SWAY = (0.04, 0.04, 0.012, 0.06)
_TRUNK_SWAY = (0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.04, 0.03, 0.06, 0.0)
_SWAY = np.asarray(2 * _ARM_SWAY + _TRUNK_SWAY + (0.012, 0.012), np.float32)


def add_sway(
    u: Float[Array, "2 waves channels"],
    pose: posture.Pose,
    time: Float[Array, " frames"],
    params: actions.MotionParams,
) -> posture.Pose:
    """Adds slow sinusoids to arms, trunk and the pelvis over the feet."""
    waves = curves.sway(time, 0.12 + 0.6 * u[0], u[1])
    waves = params.sway * waves * jnp.asarray(_SWAY)[None]
    return pose._replace(
        arms=pose.arms.at[..., :4].add(waves[:, :8].reshape(-1, 2, 4)),
        trunk=pose.trunk.at[:, :10].add(waves[:, 8:18]),
        legs=pose.legs.at[:, 1:3].add(waves[:, 18:]),
    )
