from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click
import pytest

from minnet.cli import COMMANDS
from tests.bad_inputs.helpers import READERS, with_data
from tests.helpers import IRIS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bad_inputs.helpers import Refused

NAMED_COMMANDS = ["train", "seeds", "check"]
NOT_NUMBERS = ["many", "", "0x10", "1_0 0", "nan", "-inf", "1e999"]
OUT_OF_BOUNDS = ["-1", "0", str(2**70), str(-(2**70))]
RATES = ("learning_rate", "weight_decay", "fail_under")
# Out of the ordinary, but allowed.
ALLOWED = {("seed", "0"), ("weight_decay", "0"), ("fail_under", "0"), ("hidden", "0")}
ALLOWED |= {(name, str(2**70)) for name in RATES[:2]}


def numeric_options() -> Iterator[tuple[str, str, str]]:
    """Every command with each of its options that take a number."""
    numbers = (click.types.IntParamType, click.types.FloatParamType)
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"minnet.cli.{name}").command
        for option in command.params:
            if isinstance(option.type, numbers) or option.name == "hidden":
                for value in [*NOT_NUMBERS, *OUT_OF_BOUNDS]:
                    if (option.name, value) not in ALLOWED:
                        yield name, option.opts[0], value


def test_every_command_that_reads_data_is_among_those_tested() -> None:
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"minnet.cli.{name}").command
        if any(parameter.name == "data" for parameter in command.params):
            assert any(arguments[0] == name for arguments in READERS.values())


@pytest.mark.parametrize(("command", "option", "value"), list(numeric_options()))
def test_number_that_makes_no_sense_is_wrong_usage(
    refused: Refused, command: str, option: str, value: str
) -> None:
    name = option.removeprefix("--").replace("-", "_")
    arguments: list[str] = [command, IRIS] if command != "plot" else plot_with(option)
    if command == "explain" and option != "--row":
        arguments += ["--row", "1"]
    refused(*arguments, f"{option}={value}", code=2, says="" if name in RATES else value)


def plot_with(option: str) -> list[str]:
    kind = "seeds" if option == "--networks" else "network"
    return ["plot", kind, *([str(IRIS)] if option != "--network" else [])]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tran", "x.csv"), "No such command 'tran'"),
        (("\x1b[31m",), "\\x1b[31m"),
        (("",), "No such command ''"),
        (("train",), "Missing argument 'DATA'"),
        (("evaluate",), "Missing argument 'DATA'"),
        (("explain", IRIS), "Missing option '--row'"),
        (("train", IRIS, "more.csv"), "unexpected extra argument (more.csv)"),
        (("show", IRIS), "unexpected extra argument"),
        (("train", IRIS, "--sed", "1"), "No such option"),
        (("train", IRIS, "--seed"), "Option '--seed' requires an argument"),
        (("train", IRIS, "--quiet=yes"), "Option '--quiet' does not take a value"),
        (("train", IRIS, "--optimizer", "lbfgs"), "'lbfgs' is not one of 'adam', 'sgd'"),
        (("train", IRIS, "--loss", "mse"), "'mse' is not one of 'cross-entropy'"),
        (("train", IRIS, "--hidden", "16,"), "'16,' is not a width like 32 or a list like 16,16"),
        (("train", IRIS, "--hidden", "16,0"), "hidden is 0"),
        (("train", IRIS, "--plot", "loss.gif"), "must end in .png, .svg or .pdf"),
        (("plot", "pie"), "'pie' is not one of"),
        (("plot", "loss", "-o", "loss"), "must end in .png, .svg or .pdf"),
        (("plot", "loss", IRIS), "takes no DATA"),
        (("plot", "confusion"), "needs DATA"),
        (("plot", "loss", "--row", "1"), "takes no --row"),
        (("plot", "network", IRIS), "takes DATA and --row together"),
        (("plot", "regions", IRIS, "--x", "petal"), "no numeric column 'petal'"),
        (("plot", "regions", IRIS, "--y", "species"), "no numeric column 'species'"),
        (("explain", IRIS, "--row", "151"), "there is no row 151: "),
        (("explain", IRIS, "--row", "1", "--network", "9"), "there is no network 9: "),
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
