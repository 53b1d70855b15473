from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click
import pytest

from minnet.cli import COMMANDS
from tests.bad_inputs.helpers import READERS, with_data
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bad_inputs.helpers import Refused

NAMED_COMMANDS = ["train", "seeds", "check"]
ZERO_IS_ALLOWED = ("seed", "bins", "weight_decay", "fail_under", "hidden")


def numeric_options() -> Iterator[tuple[str, str, str, str]]:
    """Every option that takes a number, with one value of each kind of nonsense and its error."""
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"minnet.cli.{name}").command
        for option in command.params:
            is_float = isinstance(option.type, click.types.FloatParamType)
            is_int = isinstance(option.type, click.types.IntParamType)
            if is_float or is_int or option.name == "hidden":
                texts = ["many", ""]
                numbers = ["-1" if option.name in ZERO_IS_ALLOWED else "0"]
                numbers += ["inf", "nan"] if is_float else [str(2**70)]
                for value in texts:
                    yield name, option.opts[0], value, f"{value!r} is not a"
                for value in numbers:
                    yield name, option.opts[0], value, f" {value}"


def test_every_command_that_reads_data_is_among_those_tested() -> None:
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"minnet.cli.{name}").command
        if any(parameter.name == "data" for parameter in command.params):
            assert any(arguments[0] == name for arguments in READERS.values())


@pytest.mark.parametrize(("command", "option", "value", "says"), list(numeric_options()))
def test_number_that_makes_no_sense_is_wrong_usage(
    refused: Refused, command: str, option: str, value: str, says: str
) -> None:
    arguments: list[str] = [command, IRIS] if command != "plot" else plot_with(option)
    if command == "explain" and option != "--row":
        arguments += ["--row", "1"]
    refused(*arguments, f"{option}={value}", code=2, says=says)


def plot_with(option: str) -> list[str]:
    kind = "seeds" if option == "--networks" else "network"
    return ["plot", kind, *([str(IRIS)] if option != "--network" else [])]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("trian", "x.csv"),
            "No such command 'trian'; did you mean 'train'? (see `minnet --help`)",
        ),
        (("help", "trian"), "No such command 'trian'; did you mean 'train'?"),
        (("xyz",), "No such command 'xyz' (see"),
        (("pred",), "did you mean 'predict'?"),
        (
            ("train", IRIS, "--learning-rate", "-1"),
            "Error: --learning-rate is -1: it must be a number above 0",
        ),
        (("train", IRIS, "--strip", "1"), "Error: --strip is '1': digits and"),
        (("plot", "losss"), "'losss' is unknown; did you mean 'loss'?"),
        (("plot", "losss"), "did you mean 'loss'? (see `minnet plot --help`)"),
        (("train", IRIS, "--optimizer", "adma"), "did you mean 'adam'?"),
        (("train", IRIS, "--epoch", "3"), "--epochs"),
        (
            ("train", PENGUINS, "-t", "sex", "--threshold", "0.3"),
            "'0.3' is not a class and a number, like yes=0.3, or balanced",
        ),
        (("train", PENGUINS, "-t", "sex", "--threshold", "mail=0.3"), "did you mean 'male'?"),
        (("train", PENGUINS, "-t", "sex", "--threshold", "male=1.5"), "--threshold is 1.5: it"),
        (("train", PENGUINS, "--threshold", "balanced"), "--threshold needs two classes: there"),
        (("train", IRIS, "--class-weight", "setosa=much"), "'setosa=much' is not a class and a"),
        (("train", IRIS, "--class-weight", "setosa=-2"), "--class-weight is -2: it must be"),
        (("train", IRIS, "--class-weight", "setossa=2"), "did you mean 'setosa'?"),
        (
            ("train", IRIS, "--class-weight", "setosa=2", "--balanced"),
            "--class-weight is given, so --balanced must be False",
        ),
        (("\x1b[31m",), "\\x1b[31m"),
        (("",), "No such command ''"),
        (("train",), "Missing argument 'DATA'"),
        (("evaluate",), "Missing argument 'DATA'"),
        (("seeds",), "Missing argument 'DATA'"),
        (("importance",), "Missing argument 'DATA'"),
        (("tune",), "Missing argument 'DATA'"),
        (("check",), "Missing argument 'DATA'"),
        (("explain", IRIS), "Missing option '--row'"),
        (("train", IRIS, "more.csv"), "unexpected extra argument (more.csv)"),
        (("show", IRIS), "unexpected extra argument"),
        (("train", IRIS, "--sed", "1"), "No such option '--sed'; did you mean '--seed'?"),
        (("train", IRIS, "--lr", "1"), "No such option '--lr'; did you mean '--learning-rate'?"),
        (("train", "--data", IRIS), "No such option '--data'; did you mean 'DATA'?"),
        (("train", IRIS, "--label", "x"), "did you mean '--target'?"),
        (("train", IRIS, "-y", "x"), "No such option '-y'; did you mean '--target'?"),
        (("train", IRIS, "--zzz"), "No such option '--zzz' (see"),
        (("fit", IRIS), "No such command 'fit'; did you mean 'train'?"),
        (("train", IRIS, "--seed"), "Option '--seed' requires an argument"),
        (("train", IRIS, "--quiet=yes"), "Option '--quiet' does not take a value"),
        (("train", IRIS, "--optimizer", "lbfgs"), "'lbfgs' is not one of 'adam', 'sgd'"),
        (("train", IRIS, "--loss", "mse"), "'mse' is not one of 'cross-entropy'"),
        (("train", IRIS, "--hidden", "16,"), "'16,' is not a width like 32 or a list like 16,16"),
        (("train", IRIS, "--hidden", "16,0"), "Error: --hidden is 0: it must be"),
        (("train", IRIS, "--plot", "loss.gif"), "must end in .png, .svg or .pdf"),
        (("seeds", IRIS, "--plot", "seeds.gif"), "must end in .png, .svg or .pdf"),
        (("evaluate", IRIS, "--fail-under", "95"), "95.0 is not between 0 and 1"),
    ],
    ids=lambda value: "-".join(map(str, value[:4])) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_named(refused: Refused, arguments: tuple[str, ...], says: str) -> None:
    refused(*arguments, code=2, says=says)


@pytest.mark.parametrize("command", NAMED_COMMANDS)
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--target", "specis"), "no column 'specis'; did you mean 'species'?"),
        (("--target", ""), "no column ''"),
        (("--ignore", "petal_widht"), "did you mean 'petal_width'?"),
        (("--ignore", "x"), "no column 'x'. It has: sepal_length, "),
        (("--target", "species", "--ignore", "species"), "it cannot be ignored"),
        (("--target", "a\x1b]0;b\x07\n"), "'a\\x1b]0;b\\x07\\n'"),
    ],
)
def test_column_that_does_not_exist_is_named(
    refused: Refused, command: str, options: tuple[str, ...], says: str
) -> None:
    refused(command, IRIS, *options, code=2, says=says)


@pytest.mark.parametrize("arguments", list(READERS.values()), ids=READERS)
def test_file_name_of_control_characters_is_escaped(
    refused: Refused, arguments: tuple[str, ...]
) -> None:
    refused(
        *with_data(arguments, "a\x1b[31m\r\n\x9b\u202eb.csv"), says="a\\x1b[31m\\r\\n\\x9b\\u202eb"
    )


@pytest.mark.parametrize("arguments", list(READERS.values()), ids=READERS)
def test_endless_file_name_does_not_make_an_endless_line(
    refused: Refused, arguments: tuple[str, ...]
) -> None:
    refused(*with_data(arguments, "x" * 100_000), says="...")
