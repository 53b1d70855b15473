"""Which configurations there are to try, and in which order."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from minnet.arguments import as_list
from minnet.errors import SettingsError
from minnet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

Point = tuple[int, ...]
DEFAULT_VALUES: dict[str, tuple[Any, ...]] = {
    "bins": (0, 8, 16),
    "hidden": ((32,), (64,)),
    "learning_rate": (None, 0.003),
    "weight_decay": (0.05, 0.3),
}
"""The values of each setting that is neither fixed nor given other values; first the default."""
MOST_TOGETHER = 4
"""Configurations of a task: more save little time, and take memory."""
TOGETHER: dict[str, Any] = {"learning_rate": None, "weight_decay": 0.0}
"""Configurations that are equal but for these can train together: see `train_configurations`."""


@dataclass(frozen=True)
class Grid:
    """All configurations that can be made of some values for each setting.

    A point is a configuration: which value each of `names` has, counted from 0. The origin, all
    zeros, is tried first.

    Attributes
    ----------
    names
        Settings with several values.
    values
        For each of these, its values.
    fixed
        All other settings that are not left alone.
    """

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    fixed: Mapping[str, Any]

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Grid:
        """Make the grid of settings that are one value, or a list of values to try.

        For `hidden`, a list of lists is several values.

        Raises
        ------
        SettingsError
            If there is no such setting or value, or a setting has none or may have only one.
        """
        known = {field.name for field in fields(TrainingSettings)}
        values = {name: of_default for name, of_default in DEFAULT_VALUES.items() if name in known}
        values |= {name: _listed(name, value) for name, value in settings.items()}
        for name, listed in values.items():
            if not listed:
                raise SettingsError("has no value", name)
            if name == "networks" and len(listed) > 1:
                raise SettingsError("can have only one value: all share their folds", name)
        if all(len(listed) == 1 for listed in values.values()):
            raise SettingsError("there is only one configuration: give a setting several values")
        varied = {name: listed for name, listed in values.items() if len(listed) > 1}
        fixed = {name: listed[0] for name, listed in values.items() if len(listed) == 1}
        return cls(tuple(varied), tuple(varied.values()), fixed)

    @property
    def origin(self) -> Point:
        """The first configuration: the first value of each setting."""
        return (0,) * len(self.names)

    @property
    def size(self) -> int:
        """How many configurations there are."""
        return math.prod(map(len, self.values))

    def around(self, point: Point, known: Container[Point]) -> list[Point]:
        """List this configuration and those that differ in a single setting, but known ones."""
        neighbours = (
            (*point[:i], value, *point[i + 1 :])
            for i, values in enumerate(self.values)
            for value in range(len(values))
        )
        return [one for one in dict.fromkeys((point, *neighbours)) if one not in known]

    def tasks(self, points: Sequence[Point], workers: int) -> list[list[Point]]:
        """Put configurations that can train together into tasks; the long ones come first.

        How the work is cut decides nothing but the time it takes.
        """
        most = min(MOST_TOGETHER, -(-len(points) // workers))
        alike = defaultdict(list)
        for point in points:
            settings = self.settings(point)
            alike[replace(settings, **TOGETHER)].append(point)
        tasks = [
            group[i : i + most] for group in alike.values() for i in range(0, len(group), most)
        ]
        return sorted(tasks, key=lambda task: -len(task) * _size(self.settings(task[0])))

    def settings(self, point: Point) -> TrainingSettings:
        """Make the settings of a configuration."""
        chosen = (values[i] for values, i in zip(self.values, point, strict=True))
        return TrainingSettings.of(**self.fixed, **dict(zip(self.names, chosen, strict=True)))

    def configuration(self, point: Point) -> dict[str, Any]:
        """Tell what sets a configuration apart, the learning rate as it is in force."""
        settings = self.settings(point)
        in_force = asdict(settings) | {"learning_rate": settings.effective_learning_rate}
        return {name: in_force[name] for name in self.names}


def shown_value(value: Any) -> str:
    """Write a value of a setting as its option takes it.

    >>> shown_value((16, 8)), shown_value(0.003)
    ('16,8', '0.003')
    """
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "0"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(name: str, value: Any) -> tuple[Any, ...]:
    """Take a list as several values, without repeats; `hidden=[16, 8]` is a single one."""
    values = as_list(value)
    if name == "hidden" and not any(isinstance(widths, Iterable) for widths in values):
        values = [values]
    settings = [TrainingSettings.of(**{name: one}) for one in values]
    return tuple(dict.fromkeys(getattr(one, name) for one in settings))


def _size(settings: TrainingSettings) -> int:
    """Of a network, roughly, in what decides how long its training takes."""
    return (1 + settings.bins) * (1 + sum(settings.hidden))
