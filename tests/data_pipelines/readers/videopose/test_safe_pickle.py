import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from data_pipelines.readers.videopose import safe_pickle
from unipose_jax import errors


def write(path, payload):
    """An npz file whose entry `a` is the pickle `payload`."""
    entry = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        entry, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", entry.getvalue() + payload)
    return path


def pickled(value, protocol):
    return pickle.dumps(np.array(value, dtype=object), protocol=protocol)


TREE = {
    "S1": {"walk": np.arange(6.0, dtype=np.float32).reshape(1, 2, 3)},
    "cameras": [np.arange(4).reshape(2, 2).T, np.array([True, False])],
    "wide": np.arange(3, dtype=">f8"),
    "layout": "h36m",
    "numbers": (1, 2.5, None),
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_nested_arrays_are_read(tmp_path, protocol):
    found = safe_pickle.read_npz(write(tmp_path / "a.npz", pickled(TREE, protocol)))
    found = found["a"]
    np.testing.assert_array_equal(found["S1"]["walk"], TREE["S1"]["walk"])
    assert found["S1"]["walk"].dtype == np.float32
    np.testing.assert_array_equal(found["cameras"][0], TREE["cameras"][0])
    np.testing.assert_array_equal(found["cameras"][1], [True, False])
    np.testing.assert_array_equal(found["wide"], [0, 1, 2])
    assert found["layout"] == "h36m"
    assert found["numbers"] == [1, 2.5, None]


def test_plain_entries_and_lists_of_arrays_are_read(tmp_path):
    views = np.empty(2, object)
    views[:] = [np.zeros(3), np.ones((2, 2))]
    np.savez(tmp_path / "a.npz", names=np.array(["x", "y"]), views=views)
    found = safe_pickle.read_npz(tmp_path / "a.npz")
    assert found["names"].tolist() == ["x", "y"]
    np.testing.assert_array_equal(found["views"][1], np.ones((2, 2)))


def test_files_of_numpy_1_are_read(tmp_path):
    payload = pickled(TREE, 3)
    assert b"numpy._core.multiarray" in payload
    old = payload.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    found = safe_pickle.read_npz(write(tmp_path / "a.npz", old))["a"]
    np.testing.assert_array_equal(found["S1"]["walk"], TREE["S1"]["walk"])


class Call:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def refuse(path, message):
    with pytest.raises(errors.BadInput, match=message) as caught:
        safe_pickle.read_npz(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_is_rejected_and_not_executed(tmp_path, protocol):
    target = tmp_path / "executed"
    payload = pickled({"S1": Call(os.mkdir, str(target))}, protocol)
    refuse(write(tmp_path / "a.npz", payload), "its pickle needs posix.mkdir")
    assert not target.exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Call(eval, "1"), "needs builtins.eval"),
        (Call(getattr, "", "join"), "needs builtins.getattr"),
        (Call(np.dtype, "O,f4"), "'O,f4', which is not a numeric"),
        (np.float64(1.0), r"needs numpy.*scalar"),
        (np.array(["text"]), "'U4', which is not a numeric"),
        (np.array([[None, 1]], dtype=object), "an array of objects"),
        ({1, 2}, "needs builtins.set|a pickled set"),
        (b"bytes", "a pickled .*, which is not a number"),
    ],
)
def test_anything_but_plain_data_is_rejected(tmp_path, value, message):
    refuse(write(tmp_path / "a.npz", pickled({"a": value}, 3)), message)


def test_a_dtype_cannot_reinterpret_numbers_as_objects(tmp_path):
    # Numbers that NumPy would interpret as addresses of Python objects.
    payload = pickled({"a": np.arange(2)}, 3)
    assert payload.count(b"i8") == 1
    forged = payload.replace(b"X\x02\x00\x00\x00i8", b"X\x02\x00\x00\x00O8")
    assert forged != payload
    refuse(write(tmp_path / "a.npz", forged), "an array of objects")


def test_a_state_for_a_replacement_class_is_rejected(tmp_path):
    payload = b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x06\x00\x00\x00latin1tR}b."
    refuse(write(tmp_path / "a.npz", payload), "bytes with a state")


@pytest.mark.parametrize("kept", [0, 20, 60, 200])
def test_a_truncated_pickle_is_reported_in_one_line(tmp_path, kept):
    payload = pickled(TREE, 4)[:kept]
    refuse(write(tmp_path / "a.npz", payload), "is not a readable npz file|not a num")


def test_files_that_are_not_npz_are_bad_input(tmp_path):
    refuse(tmp_path / "none.npz", "cannot read .*No such file")
    (tmp_path / "b.npz").write_bytes(b"no zip")
    refuse(tmp_path / "b.npz", "is not a readable npz file")
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00")
    refuse(tmp_path / "c.npz", "is not a readable npz file")


def test_a_self_referencing_object_is_rejected(tmp_path):
    loop = []
    loop.append(loop)
    refuse(write(tmp_path / "a.npz", pickle.dumps(loop)), "not a readable npz file")


def test_huge_files_are_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(safe_pickle, "_MAX_BYTES", 100)
    refuse(write(tmp_path / "a.npz", pickled(TREE, 4)), "unpacks to more than")
