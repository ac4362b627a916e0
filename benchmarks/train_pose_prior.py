"""Trains the learnt prior of refinement (`unipose_jax.refine.prior`).

    python -m benchmarks.train_pose_prior --output=W/pose_prior
    python -m benchmarks.train_pose_prior --output=W/pose_prior --mocap=clips.npz

Learns to undo simulated errors (`synthesis.sensing.pose_errors`) of procedural motion
and, with `--mocap`, of motion capture (60 % of the windows). A run that was stopped
continues from its last state. Writes W/pose_prior.npz and .json for `prior.load`.
"""

import dataclasses
import functools
import pathlib
import sys
import time as clock

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import app, flags
from flax import serialization

from unipose_jax import atomic, skeleton
from unipose_jax.models import pose_prior
from unipose_jax.skeleton import definitions, kinematics
from unipose_jax.synthesis.motion import body_shape, procedural, retargeting
from unipose_jax.synthesis.sensing import pose_errors
from unipose_jax.weights import store

_OUTPUT = flags.DEFINE_string("output", None, "Path of the weights, without suffix.")
_MOCAP = flags.DEFINE_string("mocap", "", "Clips for `retargeting.load_clips`.")
_HELD_OUT = flags.DEFINE_list(
    "held_out", ["12", "16", "27", "32"], "Subjects (first part of clip names)."
)
_STEPS = flags.DEFINE_integer("steps", 20_000, "Training steps.")
_MINUTES = flags.DEFINE_float("minutes", 1e9, "Stops early, with a decayed rate.")
_BATCH = flags.DEFINE_integer("batch", 24, "Windows per step.")
_SEED = flags.DEFINE_integer("seed", 0, "Of initial weights, clips and errors.")
_CLIPS = flags.DEFINE_integer("clips", 1500, "Clips of procedural motion.")
_WIDTH = flags.DEFINE_integer("width", 128, "Channels.")

BODY = skeleton.BODY
FRAMES, FPS, CLIP_FRAMES = 48, 30.0, 160
LEARNING_RATE = 3e-3
_TRUNK_JOINTS = ("torso", "thorax", "neck", "head", "shoulder", "hip")
_KNOWN = np.array(
    [
        definitions.convert(
            np.zeros((definitions.by_name(name).num_joints, 3)), name, "BODY"
        )[1]
        for name in definitions.NAMES
    ]
)
_LOCAL = np.array(
    [definitions.without_side(name) in _TRUNK_JOINTS for name in BODY.joints]
)


def procedural_clips(seed: int, count: int) -> list[np.ndarray]:
    """Joints of `BODY` of people in motion at 30 Hz, world frame, metres."""
    stamps = jnp.arange(CLIP_FRAMES) / FPS

    @jax.jit
    @jax.vmap
    def clip(key):
        person = body_shape.sample_shape(key, body_shape.ShapeParams(child_share=0.2))
        return procedural.sample_motion(key, person, stamps, procedural.MotionParams())

    keys = jax.random.split(jax.random.key(seed), count)
    done = [np.asarray(clip(keys[i : i + 50])) for i in range(0, count, 50)]
    return list(np.concatenate(done))


def mocap_clips(path: str, held_out: list[str], *, train: bool) -> list[np.ndarray]:
    """Joints of `BODY` of recorded people at 30 Hz, without or of some subjects."""
    clips = retargeting.load_clips(path)
    return [
        retargeting.to_body(clip)
        for name, clip in clips.items()
        if (name.split("_")[0] in held_out) != train
    ]


class Bank:
    """Clips one after the other, and the frames at which windows may start."""

    def __init__(self, clips: list[np.ndarray], share: float, seconds: float = 1.0):
        """Clips of `BODY` at `FPS`, and the share of windows that come from them."""
        self.xyz = np.concatenate(clips).astype(np.float32)
        lengths = [len(clip) for clip in clips]
        last = np.repeat(np.cumsum(lengths), lengths) - 1
        start = np.arange(len(self.xyz))
        start = start[last - start >= seconds * FPS]
        self.start, self.last, self.share = start, last[start], share


def merge(banks: list[Bank]):
    """One array of frames, and starts with their probabilities."""
    offset, starts, lasts, chances = 0, [], [], []
    for bank in banks:
        starts.append(bank.start + offset)
        lasts.append(bank.last + offset)
        chances.append(np.full(len(bank.start), bank.share / len(bank.start)))
        offset += len(bank.xyz)
    xyz = np.concatenate([bank.xyz for bank in banks])
    chance = np.concatenate(chances)
    return xyz, np.concatenate(starts), np.concatenate(lasts), chance / chance.sum()


def window(key, xyz, start, last):
    """A window at a random frame rate: joints, times, which frames are in the clip."""
    u = jax.random.uniform(key, (4,))
    keys = jax.random.split(key, 3)
    fps = 10.0 * 6.0 ** u[0]
    step = jnp.where(u[1] < 0.2, 1.0, 0.0) * jax.random.uniform(keys[0], (FRAMES,))
    step = (1.0 + step) / fps
    time = jnp.cumsum(step) - step[0]
    place = start + 0.999 * u[2] + FPS * time
    inside = place <= last
    place = jnp.minimum(place, last.astype(place.dtype))
    below = jnp.minimum(jnp.floor(place).astype(int), last - 1)
    share = (place - below)[:, None, None]
    around = jnp.clip(below[:, None] + jnp.arange(-1, 3)[None], start, last)
    p0, p1, p2, p3 = jnp.moveaxis(xyz[around], 1, 0)
    slope, bend = p2 - p0, 2 * p0 - 5 * p1 + 4 * p2 - p3
    xyz = p1 + 0.5 * share * (
        slope + share * (bend + share * (p3 - p0 + 3 * (p1 - p2)))
    )
    return xyz, time, inside


def vary(key, xyz):
    """Another person before another camera.

    Turned, tilted, mirrored, scaled, with other bone lengths and other definitions of
    the joints of trunk and head.
    """
    keys = jax.random.split(key, 6)
    frame = kinematics.body_frame(xyz, skeleton=BODY)
    normal = jax.random.normal(keys[0], (BODY.num_joints, 4))
    joints = np.arange(BODY.num_joints)
    mirror = np.array(BODY.mirror)
    paired = np.minimum(joints, mirror)
    sense = np.ones((len(joints), 3), np.float32)
    sense[:, 0] = np.sign(joints - mirror)
    offset = 0.025 * normal[paired, :3] * sense * _LOCAL[:, None]
    factor = jnp.exp(0.06 * normal[paired, 3] + 0.015 * normal[:, 3])
    moved = jnp.einsum("ja,tab->tjb", offset, frame, precision="highest")
    places = [xyz[:, 0]]
    for child, parent in BODY.bones:
        bone = factor[child] * (xyz[:, child] - xyz[:, parent]) + moved[:, child]
        places.append(places[parent] + bone)
    xyz = jnp.stack(places, axis=1)
    xyz = xyz - xyz[:1, :1]
    xyz = xyz * jnp.exp(jax.random.uniform(keys[1], minval=-0.3, maxval=0.15))
    flip = jax.random.bernoulli(keys[2])
    mirrored = xyz[:, mirror] * jnp.array([-1.0, 1.0, 1.0])
    xyz = jnp.where(flip, mirrored, xyz)
    yaw = jax.random.uniform(keys[3], maxval=2.0 * jnp.pi)
    tilt = 0.2 * jax.random.normal(keys[4], (2,))
    turn = rotation(2, tilt[0]) @ rotation(0, tilt[1]) @ rotation(1, yaw)
    return jnp.einsum("ij,tkj->tki", turn, xyz, precision="highest")


def rotation(axis, angle):
    """Rotation about an axis."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    one = jnp.eye(3).at[(axis + 1) % 3, (axis + 1) % 3].set(c)
    one = one.at[(axis + 2) % 3, (axis + 2) % 3].set(c)
    one = one.at[(axis + 1) % 3, (axis + 2) % 3].set(-s)
    return one.at[(axis + 2) % 3, (axis + 1) % 3].set(s)


def random_errors(key) -> pose_errors.PoseErrors:
    """Errors of a random source of poses: from almost none to large ones."""
    u = iter(jax.random.uniform(key, (40,)))

    def between(low, high):
        return low * (high / low) ** next(u)

    small = next(u) < 0.2
    size = jnp.where(small, 0.1 * next(u), between(0.3, 1.7))
    rare = jnp.where(small, 0.05, 1.0) * jnp.where(next(u) < 0.3, 0.1, 1.0)
    return dataclasses.replace(
        pose_errors.NETWORK,
        trunk_error=size * between(0.013, 0.03),
        end_error=size * between(0.035, 0.065),
        memory=between(0.06, 0.8),
        drift_share=0.6 * next(u),
        limb_share=0.5 * next(u),
        tail_memory=between(0.3, 2.0),
        jitter=jnp.where(small, 0.2, 1.0) * between(0.0005, 0.03),
        burst_share=rare * between(0.01, 0.12),
        burst_error=between(0.07, 0.25),
        burst_time=between(0.08, 0.9),
        swap_share=rare * between(0.002, 0.1),
        swap_time=between(0.08, 0.8),
        turn_share=rare * between(0.0005, 0.02),
        lost_share=rare * between(0.002, 0.15),
        lost_time=between(0.1, 0.8),
        frozen_share=rare * between(0.002, 0.1),
        frozen_time=between(0.1, 0.8),
    )


def example(key, xyz, start, last, chance_known):
    """A window with errors, and the truth."""
    keys = jax.random.split(key, 5)
    clean, time, inside = window(keys[0], xyz, start, last)
    clean = vary(keys[1], clean)
    found, confidence = pose_errors.add_errors(
        keys[2], clean, time, random_errors(keys[3]), skeleton=BODY
    )
    there = jnp.asarray(_KNOWN)[jax.random.choice(keys[4], len(_KNOWN), p=chance_known)]
    known = (confidence > 0.0) & there[None]
    # Frames beyond the end of a clip are another segment.
    segment = jnp.where(inside, 0, 1)
    weight = there[None].astype(clean.dtype) * inside[:, None]
    return (found, known, time, segment), clean, weight


CHANCE = np.array([4.0, 1, 1, 1.5, 1, 1, 1.5, 1.0])
CHANCE /= CHANCE.sum()


def loss_terms(network, params, batch):
    """Mean negative log-likelihood, and errors before and after, metres."""
    inputs, clean, weight = batch
    estimate = jax.vmap(functools.partial(network.apply, params))(*inputs)
    value = pose_prior.negative_log_likelihood(estimate, clean)
    total = jnp.sum(weight)
    after = jnp.linalg.norm(estimate.xyz - clean, axis=-1)
    before = jnp.linalg.norm(inputs[0] - clean, axis=-1)
    seen = weight * inputs[1]
    return jnp.sum(weight * value) / total, {
        "before_mm": 1e3 * jnp.sum(seen * before) / jnp.sum(seen),
        "after_mm": 1e3 * jnp.sum(seen * after) / jnp.sum(seen),
        "pck_before": jnp.sum(seen * (before < 0.1)) / jnp.sum(seen),
        "pck_after": jnp.sum(seen * (after < 0.1)) / jnp.sum(seen),
    }


def main(argv: list[str]) -> None:
    """Trains, from the last step that was saved."""
    del argv
    if not _OUTPUT.value:
        sys.exit("usage: train_pose_prior.py --output=PATH [--mocap=CLIPS.npz]")
    output = pathlib.Path(_OUTPUT.value)
    output.parent.mkdir(parents=True, exist_ok=True)
    trained, held_out = open_banks()
    frames, starts, lasts, chance = merge(trained)
    print(f"{len(frames)} frames", flush=True)
    network = pose_prior.PosePrior(width=_WIDTH.value)
    held_batch = held_out_batch(held_out)
    check = jax.jit(functools.partial(loss_terms, network))
    values, first = restored(network, held_batch, output)
    step = make_step(network, jnp.asarray(frames))
    rng = np.random.default_rng((_SEED.value, first))
    # A fast generator: the errors take more random numbers than all else together.
    root = jax.random.key(_SEED.value, impl="unsafe_rbg")
    begun = clock.monotonic()
    for number in range(first, _STEPS.value):
        used = (clock.monotonic() - begun) / 60.0 / _MINUTES.value
        progress = max(number / _STEPS.value, used)
        rate = LEARNING_RATE * min(number / 100.0, 1.0) * max(1.0 - progress**2, 0.02)
        picked = rng.choice(len(starts), _BATCH.value, p=chance)
        key = jax.random.fold_in(root, number)
        values, logs = step(values, key, starts[picked], lasts[picked], rate)
        stop = used >= 1.0
        if number % 100 == 99 or stop or number == _STEPS.value - 1:
            held_loss, held = check(values[2], held_batch)
            logs |= {"held_loss": held_loss}
            logs |= {f"held_{name}": value for name, value in held.items()}
            line = {name: round(float(value), 3) for name, value in logs.items()}
            print(number + 1, f"{clock.monotonic() - begun:.0f}s", line, flush=True)
            save(output, values, number + 1)
        if stop:
            break


def open_banks() -> tuple[list[Bank], list[Bank]]:
    """Motion that is trained on, and motion that is held out."""
    trained = [Bank(procedural_clips(_SEED.value, _CLIPS.value), 0.4)]
    if not _MOCAP.value:
        return trained, [Bank(procedural_clips(_SEED.value + 1, 100), 1.0)]
    parts = [mocap_clips(_MOCAP.value, _HELD_OUT.value, train=t) for t in (True, False)]
    return [*trained, Bank(parts[0], 0.6)], [Bank(parts[1], 1.0)]


def make_batches():
    """Function from keys, frames, starts and ends of windows to a batch."""
    one = functools.partial(example, chance_known=CHANCE)
    return jax.vmap(one, (0, None, 0, 0))


def held_out_batch(banks: list[Bank]):
    """64 windows of motion that is not trained on, always the same."""
    frames, starts, lasts, _ = merge(banks)
    chosen = np.random.default_rng(1).choice(len(starts), 64)
    keys = jax.random.split(jax.random.key(99, impl="unsafe_rbg"), 64)
    return jax.jit(make_batches())(
        keys, jnp.asarray(frames), starts[chosen], lasts[chosen]
    )


def make_optimizer() -> optax.GradientTransformation:
    """Adam with weight decay; the learning rate is applied by the step."""
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(b2=0.99),
        optax.add_decayed_weights(1e-3),
    )


def make_step(network: pose_prior.PosePrior, frames: jax.Array):
    """Function of a training step: parameters, optimiser's state and average."""
    make, optimizer = make_batches(), make_optimizer()

    @jax.jit
    def step(values, key, start, last, rate):
        params, state, average = values
        batch = make(jax.random.split(key, len(start)), frames, start, last)
        (value, logs), gradient = jax.value_and_grad(
            lambda p: loss_terms(network, p, batch), has_aux=True
        )(params)
        change, state = optimizer.update(gradient, state, params)
        change = jax.tree.map(lambda c: -rate * c, change)
        params = optax.apply_updates(params, change)
        average = optax.incremental_update(params, average, 0.01)
        return (params, state, average), {"loss": value, **logs}

    return step


def restored(network: pose_prior.PosePrior, batch, output: pathlib.Path):
    """Parameters, optimiser's state and average, and the step to go on from."""
    one = jax.tree.map(lambda x: x[0], batch[0])
    params = jax.jit(network.init)(jax.random.key(_SEED.value), *one)
    values = params, make_optimizer().init(params), params
    saved = output.with_suffix(".state")
    if not saved.exists():
        return values, 0
    kept = serialization.msgpack_restore(saved.read_bytes())
    print(f"continues from step {int(kept['step'])}")
    return serialization.from_state_dict(values, kept["values"]), int(kept["step"])


def save(output: pathlib.Path, values, steps: int) -> None:
    """Writes what training goes on from, and the weights."""
    kept = {"step": steps, "values": serialization.to_state_dict(values)}
    atomic.write_bytes(
        output.with_suffix(".state"), serialization.msgpack_serialize(kept)
    )
    meta = {
        "width": _WIDTH.value,
        "depth": 6,
        "seed": _SEED.value,
        "steps": steps,
        "held_out": _HELD_OUT.value,
    }
    store.save(output, values[2]["params"], meta)


if __name__ == "__main__":
    app.run(main)
