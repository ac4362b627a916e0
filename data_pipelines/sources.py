"""The data of a config, by `config.data.name`: batches to train on, splits to score."""

import ml_collections

from data_pipelines import errors


def open_train(config: ml_collections.ConfigDict, *, host: int, hosts: int):
    """Endless training batches of one host.

    Returns:
        An iterator of batches (NumPy, schema fields) with `get_state()` and
        `set_state(state)`, whose state is JSON-able.

    Raises:
        errors.BadInput: `config.data.name` is unknown, or its files cannot be used.
    """
    return _module(config).open_train(config, host=host, hosts=hosts)


def open_split(config: ml_collections.ConfigDict, split: str):
    """A split as a random-access source: `len(source)`, `source[index]`.

    Args:
        config: with `data`.
        split: "validation" or "test"; they share nothing with training, nor each
            other.

    Raises:
        errors.BadInput: as `open_train`.
    """
    return _module(config).open_split(config, split)


def _module(config: ml_collections.ConfigDict):
    # Imported where used: rendered people need no reader, recordings no renderer.
    if config.data.name == "synthetic":
        from data_pipelines import synthetic

        return synthetic
    if config.data.name == "recording":
        from data_pipelines import recording_source

        return recording_source
    raise errors.BadInput(
        f"config.data.name is {config.data.name!r}; use 'synthetic' or 'recording'"
    )
