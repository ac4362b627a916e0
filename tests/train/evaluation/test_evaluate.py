import numpy as np
import pytest

from unipose_jax import errors, skeleton
from unipose_jax.train.evaluation import evaluate

ITOP = skeleton.ITOP15


def person(depth, *, back):
    """(frames, joints, 3) of somebody who faces the camera, or shows the back."""
    xyz = np.zeros((3, 15, 3), np.float32)
    side = -0.2 if back else 0.2
    for name, x in (("left", side), ("right", -side)):
        xyz[:, ITOP.index(f"{name}_shoulder")] = [x, -0.5, 0.0]
        xyz[:, ITOP.index(f"{name}_hip")] = [x, 0.0, 0.0]
    return xyz + np.array([0.0, 0.0, depth], np.float32)


def clips(*people):
    xyz = np.stack(people)
    known = np.ones(xyz.shape[:3], bool)
    time = np.broadcast_to(np.arange(3, dtype=np.float32) / 15, xyz.shape[:2])
    return {"xyz": xyz, "xyz_valid": known, "visible": known, "time": time}


def test_people_are_measured_by_their_distance_and_by_where_they_face():
    truth = clips(person(1.2, back=False), person(3.0, back=True))
    shift = np.array([0.02, 0.05]).reshape(2, 1, 1, 1)
    predicted = {"xyz": truth["xyz"] + [0.0, 0.0, 1.0] * shift}
    found = evaluate.metrics_by_condition(predicted, truth, ITOP)
    errors = {name: summary["mpjpe_mm"] for name, summary in found.items()}
    assert errors == {
        "below 1.5 m": pytest.approx(20.0, abs=0.01),
        "2.5 to 3.5 m": pytest.approx(50.0, abs=0.01),
        "turned below 45°": pytest.approx(20.0, abs=0.01),
        "turned 135° or more": pytest.approx(50.0, abs=0.01),
    }
    assert all(summary["num_frames"] == 3 for summary in found.values())


def test_conditions_of_data_without_truth_are_none():
    truth = clips(person(2.0, back=False))
    truth["xyz"] = np.full_like(truth["xyz"], np.nan)
    truth["xyz_valid"] = np.zeros_like(truth["xyz_valid"])
    predicted = {"xyz": np.zeros_like(truth["xyz"])}
    assert evaluate.metrics_by_condition(predicted, truth, ITOP) == {}


@pytest.mark.parametrize(
    ("count", "most", "devices", "expected"),
    [
        (160, 16, 1, 16),
        (160, 128, 1, 80),  # all of them; 128 would leave out 32
        (31, 16, 1, 15),
        (31, 16, 4, 12),  # shared by four; of 16 and 12 the latter leaves out fewer
        (7, 16, 2, 6),
    ],
)
def test_batches_leave_out_few_clips(monkeypatch, count, most, devices, expected):
    monkeypatch.setattr(evaluate.jax, "device_count", lambda: devices)
    assert evaluate.choose_batch_size(range(count), most) == expected


def test_fewer_clips_than_devices_are_refused(monkeypatch):
    monkeypatch.setattr(evaluate.jax, "device_count", lambda: 4)
    with pytest.raises(errors.BadInput, match="3 clips, fewer than the 4 devices"):
        evaluate.choose_batch_size(range(3), 16)
