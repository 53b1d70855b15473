"""The command line: `minnet COMMAND ...`. Each command has a file of its own, loaded when used."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

import click

import minnet
from minnet.errors import MinnetError, SettingsError, did_you_mean, printable
from minnet.storage import ENDING

HEADINGS = {
    "Use": {
        "train": "Learn from a labelled CSV, write a model.",
        "predict": "Classes and probabilities for new rows.",
        "evaluate": "How good a model is, on held-out rows.",
        "tune": "Try configurations, keep the one that held-out rows like best.",
        "export": "A model as ONNX: from raw columns to labels, without minnet.",
    },
    "Look closer": {
        "show": "What is in a model.",
        "page": "One HTML file to explore a model in a browser.",
        "plot": "Pictures of a model.",
        "importance": "Which columns matter to a model, on held-out rows.",
        "compare": "Two models on the same rows of DATA.",
    },
    "Learn": {
        "explain": "One row, every number from input to gradient.",
        "check": "Hand-written gradients against finite differences.",
        "seeds": "How much the random start matters.",
    },
}
"""Each command, in its order of use, and its help in one line: `minnet --help` loads no command."""
COMMANDS = {name: text for commands in HEADINGS.values() for name, text in commands.items()}
OPTIONS = {"class_weights": "class_weight"}
"""Of parameters whose option has another name."""
INTERRUPTED = "minnet.interrupted"
LONGEST_ERROR = 400
THREAD_SETTINGS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

_signals: list[int] = []


class _Commands(click.Group):
    """Lists the commands under headings and imports each one's file when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, commands in HEADINGS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(max(map(len, COMMANDS))), text) for name, text in commands.items()]
                )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if not ctx.resilient_parsing and not cmd_name.startswith("-"):
                ctx.fail(f"No such command {cmd_name!r}{did_you_mean(cmd_name, COMMANDS)}")
            return None
        command: click.Command = importlib.import_module(f"minnet.cli.{cmd_name}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, SystemExit) as signalled:
            kept = ctx.meta.get(INTERRUPTED)
            if kept:
                with suppress(OSError):  # the terminal may be gone
                    click.echo(printable(f"Interrupted: {kept}"), file=sys.stderr)
            if kept and isinstance(signalled, KeyboardInterrupt):
                raise click.Abort from None  # for a KeyboardInterrupt, click prints an empty line
            raise


@click.command(
    cls=_Commands,
    no_args_is_help=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(minnet.__version__, message="minnet %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """Train a small neural network on a CSV, and see every number on the way.

    \b
    Examples:
      minnet train iris.csv
      minnet predict new.csv
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 bad data, 2 bad usage, 3 `--fail-under`, 130 Ctrl-C."""
    workers = _use_cores()
    _prepare()
    try:
        code = commands.main(arguments, prog_name="minnet", standalone_mode=False, obj=workers)
        sys.stdout.flush()
    except click.ClickException as error:
        code = _fail(_usage_message(error), 2)
    except MinnetError as error:
        message = error.naming(lambda name: f"--{OPTIONS.get(name, name).replace('_', '-')}")
        code = _fail(message, 2 if isinstance(error, SettingsError) else 1)
    except MemoryError:
        code = _fail("not enough memory", 1)
    except (click.Abort, KeyboardInterrupt):
        code = 128 + (_signals or [signal.SIGINT])[0]
    except SystemExit as ending:  # by SIGTERM or SIGHUP, or after the words of a shell's completion
        code = ending.code
    except OSError as error:
        # Keeps the interpreter from writing again what could not be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _fail(f"{error.filename or 'standard output'}: {error.strerror or error}", 1)
    except Exception as error:
        if _signals:  # compiled code may make an error of its own of it
            code = 128 + _signals[0]
        else:
            bug = "an internal error (a bug in minnet; please report it)"
            code = _fail(f"{bug}: {type(error).__name__}: {error}", 1)
    if _signals:  # an import cut short can make compiled code crash while Python clears up
        os._exit(code or 0)
    sys.exit(code)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Handle Ctrl-C, SIGTERM and SIGHUP: end the command, which clears up on its way out."""
    _signals.append(number)
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def _use_cores() -> int:
    """Give numpy's linear algebra one thread, and tell how many workers a command may take.

    On matrices this small, one thread is faster than two that wait for each other. (8 networks
    64-128-10: two threads take twice the CPU and no less time on two idle cores, and four times as
    long where others use the cores too.) So the cores are for worker processes, one for each.

    A user's own setting of threads is left as it is: one process, unless --workers says more.
    """
    if any(name in os.environ for name in THREAD_SETTINGS):
        return 1
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _prepare() -> None:
    """Set up signals and streams before anything else happens."""
    # A job in the background of a shell ignores Ctrl-C, one of nohup SIGHUP: so they go on.
    for number in ENDING:
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")
    if sys.stdout is None:
        sys.exit(_fail("standard output is closed", 1))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a text stream


def _usage_message(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message} (see `{context.command_path} --help`)" if context else message


def _fail(message: str, code: int) -> int:
    """Print one line, whatever is in the message, and pass the exit code on."""
    line = printable(message)
    if len(line) > LONGEST_ERROR - 7:
        line = line[: LONGEST_ERROR - 10] + "..."
    click.echo(f"Error: {line}", file=sys.stderr)
    return code
