import numpy as np
import pytest

from data_pipelines.readers.mocap import joint_clips
from tests.data_pipelines.originals import mocap as original
from unipose_jax import errors, skeleton
from unipose_jax.synthesis.motion import retargeting as motion_clips

BODY = skeleton.BODY


@pytest.mark.parametrize("order", ["ZYX", "XYZ", "YXZ", "ZXY"])
def test_bvh_joints_match_positions_computed_with_scipy(tmp_path, order):
    truth = original.write(tmp_path / "walk.bvh", order=order)
    motion = joint_clips.read_bvh(tmp_path / "walk.bvh")
    np.testing.assert_allclose(motion.clips["walk"], truth, atol=1e-6)
    assert motion.clips["walk"].dtype == np.float32
    assert motion.fps == pytest.approx(120, rel=1e-5)
    assert motion.up == "y"
    ends = [name for name in motion.joint_names if name.startswith("End_")]
    assert len(motion.joint_names) == BODY.num_joints + len(ends)
    assert "End_left_foot" in ends


def test_position_channels_replace_offsets_and_rotations_move_children(tmp_path):
    # The root is rotated by 90 degrees about y, so its child at +2 x is at -2 z.
    (tmp_path / "a.bvh").write_text(
        "HIERARCHY\nROOT hips\n{\nOFFSET 7 7 7\n"
        "CHANNELS 4 Yposition Xposition Zposition Yrotation\n"
        "JOINT knee\n{\nOFFSET 2 0 0\nCHANNELS 1 Xposition\n"
        "End Site\n{\nOFFSET 0 1 0\n}\n}\n}\n"
        "MOTION\nFrames: 1\nFrame Time: 0.04\n5 4 6 90 3\n"
    )
    motion = joint_clips.read_bvh(
        tmp_path / "a.bvh", metres_per_unit=1.0, skip_frames=0
    )
    truth = [[4, 5, 6], [4, 5, 3], [4, 6, 3]]
    np.testing.assert_allclose(motion.clips["a"][0], truth, atol=1e-6)
    assert motion.joint_names == ("hips", "knee", "End_knee")
    assert motion.fps == 25


def test_units_and_first_frames_are_parameters(tmp_path):
    truth = original.write(tmp_path / "a.bvh", centimetres=1.0)
    motion = joint_clips.read_bvh(
        tmp_path / "a.bvh", metres_per_unit=0.01, skip_frames=3
    )
    np.testing.assert_allclose(motion.clips["a"], truth[2:], atol=1e-6)


def refuse(message, function, *arguments, **settings):
    with pytest.raises(errors.BadInput, match=message) as caught:
        function(*arguments, **settings)
    assert "\n" not in str(caught.value)


def changed(old, new, count=1):
    return lambda text: text.replace(old, new, count)


BAD_BVH = {
    "has no MOTION": changed("MOTION", "MOVEMENT"),
    "line 1 of the HIERARCHY: expected HIERARCHY": changed("HIERARCHY", "TREE"),
    "of the HIERARCHY: expected {": changed("{", "("),
    "of the HIERARCHY: could not convert": changed("OFFSET 0.0", "OFFSET x"),
    "unknown channel Wrotation": changed("Zrotation", "Wrotation"),
    "expected JOINT, got LIMB": changed("JOINT", "LIMB"),
    "of the HIERARCHY: it ends too early": changed("}\nMOTION", "MOTION"),
    "has 95 values, expected 96 numbers": lambda text: text.rsplit(" ", 1)[0],
    "has 96 values, expected 96 numbers": lambda text: text.rsplit(" ", 1)[0] + " x",
    "has 9 frames, but its header says 10": lambda text: text.rsplit("\n", 2)[0],
    "does not begin with 'Frames: N'": changed("Frame Time: ", "Frame Time:"),
    "MOTION does not begin": changed("Frame Time: 0.0083", "Frame Time: 9.0"),
}


@pytest.mark.parametrize("message", BAD_BVH)
def test_an_invalid_bvh_is_reported_in_one_line(tmp_path, message):
    original.write(tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text()
    (tmp_path / "a.bvh").write_text(BAD_BVH[message](text))
    refuse(f"a.bvh.*{message}", joint_clips.read_bvh, tmp_path / "a.bvh")


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_bvh_is_reported_in_one_line(tmp_path, kept):
    original.write(tmp_path / "a.bvh")
    data = (tmp_path / "a.bvh").read_bytes()
    (tmp_path / "a.bvh").write_bytes(data[: int(kept * len(data))])
    refuse("a.bvh", joint_clips.read_bvh, tmp_path / "a.bvh")


def test_missing_files_and_files_with_only_the_t_pose_are_bad_input(tmp_path):
    refuse("cannot read .*none.bvh", joint_clips.read_bvh, tmp_path / "none.bvh")
    original.write(tmp_path / "a.bvh", frames=0)
    refuse("has only 1 frames", joint_clips.read_bvh, tmp_path / "a.bvh")
    refuse(
        "has no readable .bvh or .npz",
        joint_clips.write_clips,
        tmp_path / "x",
        "out.npz",
    )


def test_written_clips_move_rendered_people(tmp_path):
    (tmp_path / "bvh" / "more").mkdir(parents=True)
    truth = original.write(tmp_path / "bvh" / "walk.bvh", frames=12)
    original.write(tmp_path / "bvh" / "more" / "jump.bvh", frames=8, seed=1)
    assert joint_clips.write_clips(tmp_path / "bvh", tmp_path / "clips.npz") == []
    clips = motion_clips.load_clips(tmp_path / "clips.npz")
    assert {name: len(clip.xyz) for name, clip in clips.items()} == {
        "walk": 3,
        "jump": 2,
    }
    assert clips["walk"].fps == 30
    down = truth[::4] * [1, -1, -1]
    np.testing.assert_allclose(clips["walk"].xyz, down, atol=1e-6)
    body = motion_clips.to_body(clips["walk"])
    names = list(clips["walk"].joint_names)
    kept = down[:, [names.index(joint) for joint in BODY.joints]]
    np.testing.assert_allclose(body[..., [0, 2]], kept[..., [0, 2]], atol=1e-5)
    assert -1.8 < body[..., 1].min() < -1.6  # the top of the head; the floor is 0


def save(path, **arrays):
    walk = np.linspace(0, 1, 6 * 2 * 3).reshape(6, 2, 3)
    np.savez(path, **({"joint_names": ["a", "b"], "walk": walk} | arrays))
    return path


def test_joint_files_are_read(tmp_path):
    motion = joint_clips.read_joints(save(tmp_path / "a.npz", fps=60.0, up="z"))
    assert (motion.joint_names, motion.fps, motion.up) == (("a", "b"), 60.0, "z")
    assert list(motion.clips) == ["walk"]
    assert motion.corrupt == 0
    assert joint_clips.read_joints(save(tmp_path / "b.npz")).fps == 30.0


def test_pose_files_are_joint_files(tmp_path):
    xyz, time = np.zeros((5, 15, 3), np.float32), np.arange(5) / 15
    np.savez(tmp_path / "p.npz", xyz=xyz, skeleton="ITOP15", time=time)
    motion = joint_clips.read_joints(tmp_path / "p.npz")
    assert motion.joint_names == skeleton.ITOP15.joints
    assert motion.up == "-y"
    assert motion.fps == pytest.approx(15)
    np.savez(tmp_path / "q.npz", xyz=xyz, skeleton="ITOP15", time=time)
    joint_clips.write_clips(tmp_path, tmp_path / "clips.npz", fps=15)
    with np.load(tmp_path / "clips.npz") as written:
        assert {"p", "q"} <= set(written.files)


def test_corrupt_frames_are_named_or_replaced_by_nan_and_counted(tmp_path):
    walk = np.zeros((6, 2, 3))
    walk[2, 1, 1], walk[4, 0] = 2.147e9, np.inf
    walk[1] = np.nan  # missing, not corrupt
    path = save(tmp_path / "a.npz", walk=walk)
    refuse(
        "a.npz: clip 'walk', frame 2: .* beyond 100 m .2 such",
        joint_clips.read_joints,
        path,
    )
    motion = joint_clips.read_joints(path, skip_corrupt=True)
    gone = np.isnan(motion.clips["walk"]).all(axis=(1, 2))
    np.testing.assert_array_equal(gone, [False, True, True, False, True, False])
    assert motion.corrupt == 2
    lines = joint_clips.write_clips(
        tmp_path, tmp_path / "o" / "c.npz", skip_corrupt=True
    )
    assert lines == [f"{path}: 2 corrupt frames replaced by NaN"]


BAD_JOINTS = {
    r"no clip, an array of floats \(frames, 2, 3\)": {"walk": np.zeros((6, 3, 3))},
    "unknown skeleton 'X'": {"skeleton": "X", "joint_names": None},
    "neither 'joint_names' nor 'skeleton'": {"joint_names": None},
    "'up' is 'x'": {"up": "x"},
    "not a valid frame rate": {"fps": 0.0},
}


@pytest.mark.parametrize("message", BAD_JOINTS)
def test_an_invalid_joint_file_is_reported_in_one_line(tmp_path, message):
    fields = {"joint_names": ["a", "b"], "walk": np.zeros((6, 2, 3))}
    fields |= BAD_JOINTS[message]
    fields = {name: value for name, value in fields.items() if value is not None}
    np.savez(tmp_path / "a.npz", **fields)
    refuse(f"a.npz.*{message}", joint_clips.read_joints, tmp_path / "a.npz")


def test_an_unreadable_file_is_an_error_or_skipped(tmp_path):
    (tmp_path / "in").mkdir()
    original.write(tmp_path / "in" / "a.bvh")
    (tmp_path / "in" / "b.bvh").write_text("HIERARCHY")
    output = tmp_path / "c.npz"
    refuse("b.bvh has no MOTION", joint_clips.write_clips, tmp_path / "in", output)
    assert not output.exists()
    lines = joint_clips.write_clips(tmp_path / "in", output, skip_corrupt=True)
    assert len(lines) == 1
    assert "b.bvh has no MOTION" in lines[0]
    assert list(motion_clips.load_clips(output)) == ["a"]


def test_incompatible_files_are_rejected(tmp_path):
    save(tmp_path / "a.npz")
    original.write(tmp_path / "b.bvh")
    output = tmp_path / "o" / "c.npz"
    refuse("b.bvh has other joints", joint_clips.write_clips, tmp_path, output)
    (tmp_path / "b.bvh").unlink()
    save(tmp_path / "b.npz")
    refuse(
        "b.npz: the clip name 'walk' is reserved or occurs twice",
        joint_clips.write_clips,
        tmp_path,
        output,
    )


def test_frame_rates_are_decimated_and_never_interpolated(tmp_path):
    save(tmp_path / "a.npz", fps=100.0)
    output = tmp_path / "o" / "c.npz"
    refuse("choose fps=33.33", joint_clips.write_clips, tmp_path, output)
    joint_clips.write_clips(tmp_path, output, fps=100 / 3)
    with np.load(output) as clips:
        assert len(clips["walk"]) == 2


@pytest.fixture(scope="module")
def cmu(sample_data):
    folder = sample_data / "cmu_mocap"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


@pytest.mark.parametrize("name", ["02_01", "02_02"])
def test_cmu_bvh_matches_the_sample_clip_to_a_micrometre(cmu, name):
    motion = joint_clips.read_bvh(cmu / f"{name}.bvh")
    given = joint_clips.read_joints(cmu / "cmu_joints_30fps_dev.npz")
    assert motion.joint_names == given.joint_names
    np.testing.assert_allclose(motion.clips[name][::4], given.clips[name], atol=1e-6)


def test_cmu_walker_has_rigid_bones_and_walks_upright_on_the_floor(cmu):
    motion = joint_clips.read_bvh(cmu / "02_01.bvh")
    place = dict(
        zip(motion.joint_names, motion.clips["02_01"].swapaxes(0, 1), strict=True)
    )
    for a, b in (("LeftUpLeg", "LeftLeg"), ("RightArm", "RightForeArm")):
        length = np.linalg.norm(place[a] - place[b], axis=-1)
        np.testing.assert_allclose(length, length[0], atol=1e-5)
    head = place["End_Head"][:, 1]
    assert head.min() > 1.4
    assert head.max() < 1.8
    soles = np.minimum(place["LeftToeBase"][:, 1], place["RightToeBase"][:, 1])
    assert np.abs(soles).max() < 0.08


def test_cmu_folder_becomes_clips_that_move_a_body(cmu, tmp_path):
    for name in ("02_01", "02_02"):
        (tmp_path / f"{name}.bvh").write_bytes((cmu / f"{name}.bvh").read_bytes())
    joint_clips.write_clips(tmp_path, tmp_path / "o" / "clips.npz")
    clips = motion_clips.load_clips(tmp_path / "o" / "clips.npz")
    # No T-pose remains: load_clips splits a clip where a joint jumps.
    assert {name: len(clip.xyz) for name, clip in clips.items()} == {
        "02_01": 86,
        "02_02": 75,
    }
    body = motion_clips.to_body(clips["02_01"])
    assert -1.85 < body[:, BODY.index("head_top"), 1].min() < -1.45


def test_msr_overflows_are_detected(sample_data, tmp_path):
    path = sample_data / "msr_action3d" / "msr_action3d_a01_a12.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with np.load(path) as clips:
        good = {key: clips[key][..., :3] for key in clips.files if "real3d" in key}
        u, v, depth, _ = np.moveaxis(clips["a06_s03_e01_screen"], -1, 0)
    z = depth / 250
    bad = np.stack([(u - 160) * z, (120 - v) * z, z * 285.62], -1) / 285.62
    fields = {"skeleton": "MSR20", "up": "y"}
    np.savez(tmp_path / "good.npz", **fields, **good)
    assert len(joint_clips.read_joints(tmp_path / "good.npz").clips) == 337
    np.savez(tmp_path / "bad.npz", **fields, a06_s03_e01=bad)
    refuse(
        "clip 'a06_s03_e01', frame 26", joint_clips.read_joints, tmp_path / "bad.npz"
    )
