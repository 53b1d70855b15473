"""The options of the training settings, each with the setting's own default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from minnet.analysis.grid import shown_value
from minnet.cli.parameters import HIDDEN, Choice
from minnet.training.settings import (
    BATCH_SIZE,
    LARGE_BATCH_SIZE,
    LEARNING_RATES,
    SMALL_TABLE,
    LossName,
    OptimizerName,
    TrainingSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")
DEFAULTS = TrainingSettings()


def _setting(name: str, text: str, **details: Any) -> dict[str, Any]:
    """Describe the option of a training setting, with the setting's own default."""
    return {"help": text, "default": getattr(DEFAULTS, name), "show_default": True} | details


_RATES = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
_SIZES = f"{BATCH_SIZE}, or {LARGE_BATCH_SIZE} for over {SMALL_TABLE:,} rows"
_SETTING_OPTIONS = {
    "networks": _setting("networks", "Networks trained together.", type=int),
    "hidden": _setting(
        "hidden",
        "Width of each hidden layer: 32, or 16,16 for two, 0 for none.",
        type=HIDDEN,
        default=",".join(map(str, DEFAULTS.hidden)),
    ),
    "bins": _setting(
        "bins",
        "Piecewise-linear features beside each number, 8 for instance; 0 for none.",
        type=int,
    ),
    "epochs": _setting("epochs", "Maximum epochs: passes over the rows.", type=int),
    "patience": _setting(
        "patience", "Stop after so many epochs without a better holdout loss.", type=int
    ),
    "learning_rate": _setting("learning_rate", f"Learning rate.  [default: {_RATES}]", type=float),
    "batch_size": _setting("batch_size", f"Batch size, in rows.  [default: {_SIZES}]", type=int),
    "weight_decay": _setting(
        "weight_decay", "How strongly weights are pulled towards 0.", type=float
    ),
    "optimizer": _setting("optimizer", "Optimizer.", type=Choice(get_args(OptimizerName))),
    "loss": _setting("loss", "Loss that training minimizes.", type=Choice(get_args(LossName))),
    "balanced": _setting(
        "balanced", "Weight each class by 1 / its frequency.", is_flag=True, show_default=False
    ),
    "seed": _setting("seed", "Random seed.", type=int),
}


def training_options(*left_out: str) -> Callable[[Decorated], Decorated]:
    """Add an option for each training setting, but for those left out."""

    def decorate(function: Decorated) -> Decorated:
        for name, details in reversed(_SETTING_OPTIONS.items()):
            if name not in left_out:
                function = click.option(f"--{name.replace('_', '-')}", **details)(function)
        return function

    return decorate


def tried_options(tried: Mapping[str, Sequence[Any]]) -> Callable[[Decorated], Decorated]:
    """Add an option for each training setting, to be given once or as several values to try.

    Parameters
    ----------
    tried
        The values of each setting that has several if it is not given.
    """

    def decorate(function: Decorated) -> Decorated:
        for name, details in reversed(_SETTING_OPTIONS.items()):
            flag = f"--{name.replace('_', '-')}"
            if details.get("is_flag") or name == "networks":
                function = click.option(flag, **details)(function)
                continue
            text = details["help"]
            values = tried.get(name, [details["default"]])
            if values != [None]:
                known = (DEFAULTS.effective_learning_rate if v is None else v for v in values)
                shown = ", ".join(map(shown_value, known))
                text = f"{text.partition('  [')[0]}  [default: {shown}]"
            several = {"help": text, "multiple": True, "default": None, "show_default": False}
            function = click.option(flag, **(details | several))(function)
        return function

    return decorate
