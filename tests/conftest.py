from __future__ import annotations

import io
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from minnet.cli import main
from minnet.model.document import save
from tests.helpers import IRIS, PENGUINS, Ending, cut_in_three, fit, unfolded
from tests.page_helpers import CHROMIUM_ARGUMENTS, Opened, kept_open, made_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from minnet import Model, Table
    from tests.helpers import Run

# A busy machine is no fault of the code.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a minnet command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: object, stdin: str | bytes = "") -> Ending:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        with pytest.raises(SystemExit) as ending:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        lines = [line for line in f"{out}\n{err}".splitlines() if not line.startswith("next: ")]
        widest = max(map(len, lines), default=0)
        return Ending(int(ending.value.code or 0), unfolded(out), unfolded(err), widest)

    return run_command


@pytest.fixture(scope="session")
def iris_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of iris, trained once with the defaults; copy it before changing it."""
    from minnet import read_csv

    path = tmp_path_factory.mktemp("models") / "model.json"
    save(fit(read_csv(IRIS), "species"), path)
    return path


@pytest.fixture(scope="module")
def iris() -> Table:
    """The table of iris."""
    from minnet import read_csv

    return read_csv(IRIS)


@pytest.fixture
def with_iris_model(run: Run, iris_model: Path, tmp_path: Path) -> Run:
    """Run a command in a folder that holds the iris model as model.json."""
    shutil.copy(iris_model, tmp_path / "model.json")
    return run


@pytest.fixture(params=["one file", "a pattern of three files"])
def write_table(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], str]:
    """Write a CSV into the test's folder, or its rows into three files; return what names it.

    No cell may hold a line end.
    """
    monkeypatch.chdir(tmp_path)

    def write_rows(name: str, text: str) -> str:
        if request.param == "one file":
            (tmp_path / name).write_text(text)
            return name
        folder = tmp_path / f"parts of {name}"
        folder.mkdir()
        for part, content in zip("abc", cut_in_three(text), strict=True):
            (folder / f"{part}.csv").write_text(content)
        return f"{folder.name}/*.csv"

    return write_rows


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file into the test's folder."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; where it or playwright is missing, the test is skipped unless required."""
    path = shutil.which("chromium")
    if os.environ.get("MINNET_BROWSER_TESTS") != "required":
        pytest.importorskip("playwright", reason="playwright is not installed: extra `browser`")
        if path is None:
            pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path or "/usr/bin/chromium", args=CHROMIUM_ARGUMENTS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def opened(browser: Browser) -> Iterator[Opened]:
    """Pages that stay open for the next test, for those that need no page of their own."""
    with kept_open(browser) as opened:
        yield opened


@pytest.fixture(scope="session")
def iris_page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    """A model of iris, without bins, and its page."""
    return made_page(tmp_path_factory.mktemp("iris"), IRIS, "species", name="iris", bins=0)


@pytest.fixture(scope="session")
def penguins_page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    """The same of penguins: categories, and missing cells."""
    folder = tmp_path_factory.mktemp("penguins")
    return made_page(folder, PENGUINS, "species", name="penguins", bins=0)
