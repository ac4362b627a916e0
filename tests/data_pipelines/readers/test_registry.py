import importlib
import pathlib

import pytest

from data_pipelines.ground import settings
from data_pipelines.readers import registry
from data_pipelines.sequences import sequence
from unipose_jax import errors

DATA = settings.DataSettings(name="mine")


def test_a_function_of_another_package_can_be_a_reader(monkeypatch):
    opened = sequence.DataSet(name="mine", sequences={}, protocol="")
    calls = []

    def open_mine(source, data):
        calls.append((source, data))
        return opened

    monkeypatch.setitem(registry.READERS, "mine", open_mine)
    assert registry.open_data_set(DATA, pathlib.Path("there")) is opened
    assert calls == [(pathlib.Path("there"), DATA)]


def test_an_unknown_name_is_reported_with_the_choices():
    message = "config.data.name is 'mine'; use one of synthetic, recording, itop, "
    with pytest.raises(errors.BadInput, match=message):
        registry.open_data_set(DATA, pathlib.Path("there"))


def test_every_reader_module_has_open_data_set():
    modules = [
        reader for reader in registry.READERS.values() if isinstance(reader, str)
    ]
    assert len(modules) > 1
    for module in modules:
        assert callable(importlib.import_module(module).open_data_set), module
