"""The data of a config, opened as commands open it."""

from data_pipelines.ground import settings
from data_pipelines.loading import sources


def typed(data) -> settings.DataSettings:
    """`config.data` as `data_pipelines` takes it."""
    return settings.DataSettings.from_config(data)


def open_train(config, *, host=0, hosts=1, teacher=None):
    """Training batches of a config."""
    return sources.open_train(
        typed(config.data),
        seed=config.seed,
        batch_size=config.global_batch_size,
        host=host,
        hosts=hosts,
        teacher=teacher,
    )


def open_split(config, split):
    """A split of the data of a config."""
    return sources.open_split(typed(config.data), split)
