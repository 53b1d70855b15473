from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.bad_inputs.helpers import contents, error_of, time_limit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bad_inputs.helpers import Refused
    from tests.helpers import Ending, Run


@pytest.fixture
def refused(with_iris_model: Run, tmp_path: Path) -> Refused:
    """Run a command beside the iris model; it must fail as every command fails.

    The exit code is as expected; there is one short, printable error line that says what is
    expected, and no more; and not a byte of any file has changed.
    """

    def check(*arguments: object, says: str, code: int = 1, stdin: str | bytes = "") -> None:
        before = contents(tmp_path)
        with time_limit():
            ending = with_iris_model(*arguments, stdin=stdin)
        error = error_of(ending)
        assert (ending.code, says in error) == (code, True), f"{error!r} lacks {says!r}"
        assert contents(tmp_path) == before

    return check


@pytest.fixture
def survived(with_iris_model: Run, tmp_path: Path) -> Run:
    """Run a command that may fail or not; if it fails, it must fail as every command fails."""

    def check(*arguments: object, stdin: str | bytes = "") -> Ending:
        before = contents(tmp_path)
        with time_limit():
            ending = with_iris_model(*arguments, stdin=stdin)
        if ending.code:
            error_of(ending)
            assert contents(tmp_path) == before
        else:
            assert not any(line.startswith("Error: ") for line in ending.err.splitlines())
            assert "Warning" not in ending.err
        return ending

    return check


@pytest.fixture(scope="session", autouse=True)
def _children_can_be_interrupted() -> Iterator[None]:
    """Undo what a shell does to a job in the background: its children would ignore Ctrl-C too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
