"""`config.data` as one frozen, typed object; the only parser of its small languages.

Everything in `data_pipelines` takes `DataSettings`, or single values of them, and never
a config.
"""

import dataclasses
import difflib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from unipose_jax import errors

RENDERED = "rendered"  # in place of the annotations of a collection of images
SYNTHETIC = "synthetic"  # `name` of the data set of rendered clips


class FrozenMapping(Mapping):
    """A nested mapping with string keys that is immutable and hashable."""

    def __init__(self, values: Mapping[str, Any]):
        """Copies `values`; mappings in it become `FrozenMapping`, lists tuples."""
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
        """A plain dict of the same values."""
        return {name: _thaw(value) for name, value in self._values.items()}


class Collection(NamedTuple):
    """A collection of images of several people."""

    annotations: str  # a file in COCO's format, or `RENDERED`
    images: str  # folder
    weight: float  # relative frequency in training

    @property
    def is_rendered(self) -> bool:
        """Whether its images are rendered, so that their true depth is known."""
        return self.annotations == RENDERED


def _parsed_field() -> Any:
    """A field that is computed from others."""
    return dataclasses.field(init=False, repr=False, compare=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings:
    """The data of a run: one field per key of `config.data`, with the same name.

    The comments in `configs/` explain the values. Fields that only some configs have
    hold the default of the others.
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

    # Images of several people (configs/wsp.py):
    collections: str = ""
    height: int = 0  # pixels
    width: int = 0  # pixels
    max_people: int = 0

    # Partly labeled data (configs/wsp_finetune.py, configs/pose_machine.py):
    labeled_fraction: float = 1.0
    labeled_subjects: str = ""
    use_unlabeled_keypoints: bool = True

    config_keys: tuple[str, ...] = dataclasses.field(
        default=(), repr=False, compare=False
    )
    """The keys of the config that these settings come from; () for all fields."""

    mixture_shares: Mapping[str, float] = _parsed_field()
    """`mixture`: share of each other data set, by "name" or "name/variant"."""

    image_collections: tuple[Collection, ...] = _parsed_field()
    """`collections`; () where the examples are clips."""

    labeled_subject_names: tuple[str, ...] = _parsed_field()
    """`labeled_subjects`: people with 3D labels; () for everybody."""

    def __post_init__(self) -> None:
        """Parses the values that are small languages.

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
        """The settings of `config.data`.

        Args:
            values: a mapping or a `ConfigDict`.

        Raises:
            errors.BadInput: an unknown key, no `name`, or a value that
                cannot be parsed.
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
        """The values of `config.data`, JSON-able: `from_config` inverted."""
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
        errors.BadInput: another format, or shares that leave nothing for the main set.
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

    The images are in the folder of the annotations unless another one is given. Without
    a weight it is 1. "rendered" in place of the annotations stands for rendered images.

    Raises:
        errors.BadInput: another format, or an empty list.
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
    """`value` with mappings as `FrozenMapping` and lists as tuples."""
    if isinstance(value, Mapping):
        return FrozenMapping(value)
    return tuple(map(_freeze, value)) if isinstance(value, (list, tuple)) else value


def _thaw(value: Any) -> Any:
    """`value` with each `FrozenMapping` as a dict."""
    return value.to_dict() if isinstance(value, FrozenMapping) else value
