from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.cli import options, progress, train
from minnet.cli.progress import BAR_WIDTHS, Progress, clock, fit
from minnet.cli.train import TrainingRun
from minnet.model.document import load
from minnet.training import checkpoint
from minnet.training.checkpoint import Checkpointer
from minnet.training.settings import Epoch
from tests.helpers import IRIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from tests.helpers import Run

ENDLESS = ("train", IRIS, "--epochs", 1_000_000, "--patience", 1_000_000)
SLOW = (*ENDLESS, "--networks", 100, "--hidden", 128, "--batch-size", 1)


def set_columns(terminal: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


class OnTerminal:
    """A minnet process whose standard streams are a terminal, unless told otherwise."""

    def __init__(
        self,
        *arguments: object,
        folder: Path,
        columns: int = 80,
        term: str = "xterm",
        **streams: Any,
    ) -> None:
        self.screen = ""
        self._master, self.slave = pty.openpty()
        set_columns(self.slave, columns)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "minnet", *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "TERM": term},
            **{**dict.fromkeys(("stdin", "stdout", "stderr"), self.slave), **streams},
        )
        os.close(self.slave)

    def wait_for(self, pattern: str) -> None:
        """Read what is written until it matches."""
        while not re.search(pattern, self.screen):
            assert self._read(), self.screen

    def finish(self) -> int:
        """Read to the end; returns the exit code."""
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait()

    def kill(self) -> None:
        """End it, if a test has not seen it to its end."""
        if self.process.poll() is None:
            self.process.kill()
            self.finish()

    def _read(self) -> bool:
        try:
            text = os.read(self._master, 2**16).decode()
        except OSError:  # the other end is closed
            return False
        self.screen += text
        return bool(text)

    @property
    def drawn(self) -> list[str]:
        """Each progress line in turn."""
        return [line for line in re.split(r"[\r\n]+", self.screen.replace("\x1b[J", "")) if line]


@pytest.fixture
def on_terminal(tmp_path: Path) -> Iterator[Callable[..., OnTerminal]]:
    """Start minnet on a terminal, in an empty folder."""
    started = []

    def start(*arguments: object, **options: Any) -> OnTerminal:
        started.append(OnTerminal(*arguments, folder=tmp_path, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@given(
    st.lists(st.text("abc1", min_size=1, max_size=30), min_size=1, max_size=8),
    st.integers(0, 8),
    st.floats(0, 1),
    st.integers(10, 200),
)
def test_line_holds_the_most_important_parts_and_is_never_too_wide(
    texts: list[str], place: int, share: float, width: int
) -> None:
    place = min(place, len(texts))
    line = fit([*texts[:place], None, *texts[place:]], share, width)
    assert len(line) <= width
    bar, text = re.fullmatch(r"(\[#*-*\](?:  |$))?(.*)", line).groups()  # type: ignore[union-attr]
    shown = text.split("  ") if text else []
    assert shown == texts[: len(shown)]
    first_left_out = [None, *texts[len(shown) :]] if not bar else texts[len(shown) :]
    if first_left_out:
        missing = BAR_WIDTHS[0] if not bar and len(shown) == place else len(texts[len(shown)])
        taken = len(text) + 2 * bool(text) + (BAR_WIDTHS[0] + 2 if bar else 0)
        assert taken + missing > width


def test_bar_shows_the_share_and_takes_the_room_there_is() -> None:
    assert fit(["5/10", None], 0.5, 30) == "[##########----------]  5/10"
    assert fit(["5/10", None], 0.5, 20) == "[######------]  5/10"
    assert fit(["5/10", None], 0.5, 15) == "5/10"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0:01"), (42, "0:42"), (725, "12:05"), (11_220, "3:07:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_columns_follow_a_resize(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with open(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        for width in (80, 50, 40):
            set_columns(master, width)
            assert progress.columns() == width
        set_columns(master, 0)
        assert progress.columns() == 80
    os.close(master)


@pytest.mark.parametrize("columns", [40, 50, 80])
@pytest.mark.parametrize("term", ["xterm", "dumb"])
@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        (("train", IRIS), r"epoch (\d+)/\1  best 0\.\d{3} \(epoch \d+\)"),
        (("seeds", IRIS, "--networks", 40), "40/40 networks  "),
    ],
    ids=["train", "seeds"],
)
def test_progress_fits_the_terminal_and_ends_as_done(
    on_terminal: Callable[..., OnTerminal],
    arguments: tuple[object, ...],
    last: str,
    columns: int,
    term: str,
) -> None:
    run = on_terminal(*arguments, columns=columns, term=term)
    assert run.finish() == 0
    lines = [line for line in run.drawn if re.search(r"epoch \d+/|/40 networks", line)]
    assert len(lines) > 1
    assert max(map(len, lines)) < columns
    assert re.search(last, lines[-1])
    assert ("#]  " in lines[-1]) == (columns == 80 or arguments[0] == "seeds")
    assert "-]" not in lines[-1]
    assert (" done" in lines[-1]) == (columns > 40 or arguments[0] == "seeds")
    assert ("\x1b" in run.screen) == (term == "xterm")
    assert run.screen.count("\n") < 30


def test_progress_is_drawn_anew_for_each_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    all_widths = [80, 40, 28, 12, 100, 100]
    widths = iter(all_widths)
    monkeypatch.setattr(options, "is_terminal", lambda: True)
    monkeypatch.setattr(progress, "INTERVAL", 0)
    monkeypatch.setattr(progress, "columns", lambda: next(widths))
    monkeypatch.setenv("TERM", "xterm")
    with Progress("{}/{} networks", 50) as shown:
        for _ in range(4):
            shown.advance(10)
    lines = capsys.readouterr().err.replace("\r", "").replace("\n", "").split("\x1b[J")[:-1]
    assert all(len(line) < width for line, width in zip(lines, all_widths, strict=True))
    assert [line.partition("]  ")[::2][bool(line)] for line in lines] == [
        *("0/50 networks", "10/50 networks", "20/50 networks"),
        *("", "40/50 networks", "40/40 networks  done"),
    ]


def test_nothing_is_drawn_in_a_pipe_or_with_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("{}/{} networks", 50) as shown:
        shown.advance()
    monkeypatch.setattr(options, "is_terminal", lambda: True)
    with Progress("{}/{} networks", 50, quiet=True) as shown:
        shown.advance()
    assert capsys.readouterr().err == ""


def test_failed_work_is_not_told_as_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(options, "is_terminal", lambda: True)
    shown = Progress("{}/{} networks", 50)
    shown.advance(3)
    shown.__exit__(ValueError)
    last = capsys.readouterr().err.splitlines()[-1]
    assert "[#-------------------]  3/50 networks" in last
    assert "done" not in last


def epoch(holdout: float, training: float = 0.5) -> Epoch:
    return Epoch(*(np.full(3, value) for value in (training, 0.9, holdout, 0.9)))


@pytest.fixture
def clock_of_progress(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that have passed, to be set by a test; everything is drawn, 150 columns wide."""
    seconds = [0.0]
    for module in (progress, train):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    monkeypatch.setattr(progress, "INTERVAL", 0)
    monkeypatch.setattr(progress, "columns", lambda: 150)
    monkeypatch.setattr(options, "is_terminal", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    return seconds


def training_run(epochs: int, *, resuming: bool = False) -> TrainingRun:
    return TrainingRun(options.Request(settings={"epochs": epochs}, resume=resuming))


def training_of(*epochs: Epoch) -> Any:
    """What progress knows of a training."""
    return SimpleNamespace(epochs=[*epochs], is_stopped=False)


def tell_epoch(shown: TrainingRun, training: Any, epoch: Epoch) -> None:
    training.epochs.append(epoch)
    shown.on_epoch(training)


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.strip() for line in re.split("[\r\n]+", capsys.readouterr().err) if line.strip()]


def test_long_training_tells_time_estimate_and_best_epoch(
    clock_of_progress: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    training = training_of()
    with training_run(300) as shown:
        shown.on_start(training)
        for seconds, loss in ((1, 0.3), (2, 0.2), (60, 0.25)):
            clock_of_progress[0] = seconds
            tell_epoch(shown, training, epoch(loss))
            assert not training.is_stopped
        middle = lines_of(capsys)
    assert middle == [
        "[--------------------]  epoch 0/300",
        "[--------------------]  epoch 1/300  best 0.300 (epoch 1)  holdout 0.300  training 0.500",
        "[--------------------]  epoch 2/300  best 0.200 (epoch 2)  holdout 0.200  training 0.500",
        "[------------------]  epoch 3/300  best 0.200 (epoch 2)  1:00  at most 1:39:00 left  "
        "holdout 0.250  training 0.500  stops earlier if nothing improves",
    ]
    assert lines_of(capsys) == [
        "[####################]  epoch 3/3  best 0.200 (epoch 2)  1:00  done"
    ]


def test_training_on_a_cluster_tells_rows_a_second(
    clock_of_progress: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with training_run(3) as shown:
        shown.rows = 3000
        shown.on_start(training := training_of())
        clock_of_progress[0] = 2
        tell_epoch(shown, training, epoch(0.3))
    assert "best 0.300 (epoch 1)  1,500 rows/s  holdout 0.300" in lines_of(capsys)[1]


def test_training_without_holdout_rows_tells_only_its_loss(
    clock_of_progress: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with training_run(3) as shown:
        shown.on_start(training := training_of())
        tell_epoch(shown, training, epoch(np.nan))
    assert lines_of(capsys)[1].endswith("]  epoch 1/3  training 0.500")


def test_resumed_training_begins_at_its_epoch_and_estimates_from_there(
    clock_of_progress: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with training_run(100, resuming=True) as shown:
        clock_of_progress[0] = 50
        shown.on_start(training := training_of(epoch(0.2), *[epoch(0.3)] * 39))
        clock_of_progress[0] = 60
        tell_epoch(shown, training, epoch(0.3))
    first, second, _ = lines_of(capsys)
    assert first.startswith("[########------------]  epoch 40/100  best 0.200 (epoch 1)")
    assert "epoch 41/100  best 0.200 (epoch 1)  0:10  at most 9:50 left" in second


QUICK = ("train", IRIS, "--epochs", 8, "--networks", 2)


def interrupt_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Checkpointer.on_epoch

    def save_and_interrupt(self: Checkpointer, state: Any) -> None:
        save(self, state)
        if len(state.epochs) == epochs:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Checkpointer, "on_epoch", save_and_interrupt)


@pytest.fixture
def _at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "is_terminal", lambda: True)
    monkeypatch.setattr(options, "is_attended", lambda: True)
    monkeypatch.setattr(progress, "INTERVAL", 0)


@pytest.mark.usefixtures("_at_a_terminal")
def test_stopped_training_keeps_its_checkpoint_and_resumes_to_the_same_bytes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    assert run(*QUICK, "-m", "whole.json").code == 0
    with monkeypatch.context() as patch:
        interrupt_after(3, patch)
        ending = run(*QUICK)
    assert ending.code == 0
    (file,) = tmp_path.glob("model.json.*.checkpoint")
    history = load("model.json").history
    assert len(history) == 3
    assert (
        f"\nstopped after epoch 3: kept {history.kept}; the same command with --resume resumes "
        f"after epoch 3, from {file}\n"
    ) in ending.err
    ending = run(*QUICK, "--resume")
    assert ending.code == 0
    assert re.findall(r"epoch \d+/8", ending.err)[0] == "epoch 3/8"
    assert (tmp_path / "model.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert not list(tmp_path.glob("*.checkpoint"))


@pytest.mark.usefixtures("_at_a_terminal")
def test_stop_in_the_last_epoch_is_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    interrupt_after(8, monkeypatch)
    ending = run(*QUICK)
    assert ending.code == 0
    assert "stopped" not in ending.err
    assert not list(tmp_path.glob("*.checkpoint"))


def test_interrupt_on_a_terminal_stops_after_the_epoch_and_keeps_the_best(
    on_terminal: Callable[..., OnTerminal], tmp_path: Path
) -> None:
    run = on_terminal(*ENDLESS)
    run.wait_for(r"epoch \d{3}/")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0
    assert "stopping after this epoch; Ctrl-C again stops at once and writes no model" in run.screen
    assert "Interrupted" not in run.screen
    assert "done" not in run.screen
    history = load(tmp_path / "model.json").history
    assert f"\nstopped after epoch {len(history)}: kept {history.kept}\r\n" in run.screen
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_second_interrupt_on_a_terminal_ends_at_once_with_nothing_written(
    on_terminal: Callable[..., OnTerminal], tmp_path: Path
) -> None:
    run = on_terminal(*SLOW)
    run.wait_for(r"epoch [1-9]")
    run.process.send_signal(signal.SIGINT)
    run.wait_for("stopping after this epoch")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 130
    assert run.screen.endswith("\nInterrupted: no model was written\r\n")
    assert "Traceback" not in run.screen
    assert not list(tmp_path.iterdir())


def test_interrupt_ends_at_once_where_the_report_goes_into_a_pipe(
    on_terminal: Callable[..., OnTerminal], tmp_path: Path
) -> None:
    run = on_terminal(*ENDLESS, stdout=subprocess.DEVNULL)
    run.wait_for(r"epoch [1-9]")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 130
    assert "stopping" not in run.screen
    assert run.screen.endswith("\nInterrupted: no model was written\r\n")
    assert not list(tmp_path.iterdir())
