"""Settings of the data of a run: `config.data` as a frozen dataclass.

Functions in `data_pipelines` take `DataSettings` or single values of it, not a config.
`mixture`, `collections` and `labeled_subjects` are strings with a syntax, which is
parsed only here.
"""

import dataclasses
import difflib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from data_pipelines.ground import sampling
from unipose_jax import errors

RENDERED = "rendered"  # annotations of a collection of rendered images
SYNTHETIC = "synthetic"  # `name` of the data set of rendered clips


class FrozenMapping(Mapping):
    """A nested mapping with string keys that is immutable and hashable."""

    def __init__(self, values: Mapping[str, Any]):
        """Copies `values`; converts mappings to `FrozenMapping` and lists to tuples."""
        self._values = {name: _freeze(value) for name, value in values.items()}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"FrozenMapping({self.to_dict()!r})"

    def to_dict(self) -> dict[str, Any]:
        """Returns the same values as a plain dict."""
        return {name: _thaw(value) for name, value in self._values.items()}


class Collection(NamedTuple):
    """A collection of images of several people."""

    annotations: str  # a file in COCO format, or `RENDERED`
    images: str  # folder
    weight: float  # relative frequency in training

    @property
    def is_rendered(self) -> bool:
        """Whether its images are rendered, so that true depth is known."""
        return self.annotations == RENDERED


def _parsed_field() -> Any:
    """A field that is computed from other fields."""
    return dataclasses.field(init=False, repr=False, compare=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings:
    """The data of a run: one field per key of `config.data`, with the same name.

    The comments in `configs/` explain the values. Keys that a config does not have take
    the default value of the field.
    """

    name: str
    variant: str = ""
    path: str = ""
    data_dir: str = ""
    keypoints: str = ""
    skip_corrupt: bool = False
    check_counts: bool = True
    mixture: str = ""

    skeleton: str = "ITOP15"
    frames: int = 3
    frame_step: int = 1
    max_interval: float = sampling.MAX_INTERVAL  # seconds
    num_points: int = 512
    stored_points: int = 2_048
    crop_size: int = 0  # pixels
    crops: tuple[str, ...] = ("depth", "rgb")
    workers: int = 0

    # Rendered people:
    seed: int = 0
    train_clips: int = 4_000
    validation_clips: int = 160
    test_clips: int = 500
    cache_dir: str = ""
    motion: str = ""
    scene: FrozenMapping = FrozenMapping({})  # fields of `scene.SceneParams`
    train_view: FrozenMapping = FrozenMapping({})
    part_labels: bool = False

    # Images of several people (configs/wsp.py):
    collections: str = ""
    height: int = 0  # pixels
    width: int = 0  # pixels
    max_people: int = 0

    # Partly labeled data (configs/wsp_finetune.py, configs/pose_machine.py):
    labeled_fraction: float = 1.0
    labeled_subjects: str = ""
    use_unlabeled_keypoints: bool = True
    added_people: int = 0  # clips

    config_keys: tuple[str, ...] = dataclasses.field(
        default=(), repr=False, compare=False
    )
    """The keys of the config that these settings come from; () for all fields."""

    mixture_shares: Mapping[str, float] = _parsed_field()
    """`mixture`: share of each other data set, by "name" or "name/variant"."""

    image_collections: tuple[Collection, ...] = _parsed_field()
    """`collections`; () if the examples are clips."""

    labeled_subject_names: tuple[str, ...] = _parsed_field()
    """`labeled_subjects`: people with 3D labels; () for all people."""

    def __post_init__(self) -> None:
        """Parses the string values that have a syntax.

        Raises:
            errors.BadInput: `mixture` or `collections` cannot be parsed.
        """
        names = tuple(filter(None, self.labeled_subjects.split(",")))
        object.__setattr__(self, "labeled_subject_names", names)
        shares = FrozenMapping(_parse_mixture(self.mixture))
        object.__setattr__(self, "mixture_shares", shares)
        found = _parse_collections(self.collections) if self.collections else ()
        object.__setattr__(self, "image_collections", found)

    @classmethod
    def from_config(cls, values: Any) -> "DataSettings":
        """Makes the settings from `config.data`.

        Args:
            values: a mapping or a `ConfigDict`.

        Raises:
            errors.BadInput: a key is unknown, `name` is missing, or a value cannot be
                parsed.
        """
        given = values.to_dict() if hasattr(values, "to_dict") else dict(values)
        for key in given:
            if key not in _config_keys():
                near = difflib.get_close_matches(key, _config_keys(), n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise errors.BadInput(f"there is no config.data.{key}{hint}")
        if not given.get("name"):
            raise errors.BadInput("config.data.name is missing")
        frozen = {key: _freeze(value) for key, value in given.items()}
        return cls(**frozen, config_keys=tuple(given))

    def to_dict(self) -> dict[str, Any]:
        """The values of `config.data`, JSON-serialisable; inverse of `from_config`."""
        names = self.config_keys or _config_keys()
        return {name: _thaw(getattr(self, name)) for name in names}

    @property
    def is_synthetic(self) -> bool:
        """Whether every example shows rendered people, perhaps read from files."""
        if self.image_collections:
            return all(one.is_rendered for one in self.image_collections)
        return self.name == SYNTHETIC

    @property
    def renders(self) -> bool:
        """Whether this run renders some of its examples."""
        if self.image_collections:
            return any(one.is_rendered for one in self.image_collections)
        return self.is_synthetic and not self.data_dir

    def num_clips(self, split: str) -> int:
        """Number of rendered clips or images of a split."""
        return {
            "train": self.train_clips,
            "validation": self.validation_clips,
            "test": self.test_clips,
        }[split]


def _config_keys() -> tuple[str, ...]:
    """The fields that are keys of `config.data`."""
    fields = dataclasses.fields(DataSettings)
    return tuple(f.name for f in fields if f.init and f.name != "config_keys")


def _parse_mixture(text: str) -> dict[str, float]:
    """Parses "ntu_rgbd/cross_subject=0.4,recording=0.1".

    Raises:
        errors.BadInput: the text is invalid, or the shares sum to 1 or more.
    """
    shares: dict[str, float] = {}
    for part in filter(None, text.replace(" ", "").split(",")):
        name, _, number = part.partition("=")
        try:
            shares[name] = float(number)
        except ValueError:
            shares[name] = -1.0
    if (
        any(not 0.0 < share < 1.0 for share in shares.values())
        or sum(shares.values()) >= 1.0
    ):
        raise errors.BadInput(
            f"config.data.mixture is {text!r}; expected shares such as "
            "'ntu_rgbd/cross_subject=0.4,recording=0.1', together below 1"
        )
    return shares


def _parse_collections(text: str) -> tuple[Collection, ...]:
    """Parses a comma-separated list of "ANNOTATIONS[@IMAGES][=WEIGHT]".

    The default image folder is that of the annotations, and the default weight is 1.
    "rendered" instead of the annotations means rendered images.

    Raises:
        errors.BadInput: the text is invalid, or the list is empty.
    """
    found = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        place, _, number = part.partition("=")
        annotations, _, images = (piece.strip() for piece in place.partition("@"))
        try:
            weight = float(number or 1.0)
        except ValueError:
            weight = -1.0
        if not weight > 0.0 or not annotations:
            raise errors.BadInput(
                f"config.data.collections has {part!r}; expected "
                "ANNOTATIONS.json[@IMAGES][=WEIGHT] or rendered[=WEIGHT]"
            )
        images = images or str(pathlib.Path(annotations).parent)
        found.append(Collection(annotations, images, weight))
    if not found:
        raise errors.BadInput("config.data.collections is empty; try 'rendered'")
    return tuple(found)


def _freeze(value: Any) -> Any:
    """Converts mappings to `FrozenMapping` and lists to tuples, recursively."""
    if isinstance(value, Mapping):
        return FrozenMapping(value)
    return tuple(map(_freeze, value)) if isinstance(value, (list, tuple)) else value


def _thaw(value: Any) -> Any:
    """Converts `FrozenMapping` to dict."""
    return value.to_dict() if isinstance(value, FrozenMapping) else value
