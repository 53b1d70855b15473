"""Runs what the README and the door plates show; `python -m tests.test_readme` writes it anew."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from minnet.cli import COMMANDS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PLACES = ROOT.glob("[!.]*/README.md"), ROOT.glob("minnet/*/README.md")
DOCUMENTS = ["README.md", *(str(path.relative_to(ROOT)) for paths in PLACES for path in paths)]
MOST_LINES = 260
BLOCKS = re.compile(r"(?<=^```)(console|python)\n(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
SCHEDULER = "tcp://127.0.0.1:8786"
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?", re.IGNORECASE)


def commands_of(session: str) -> list[tuple[str, str]]:
    """Each command of a session with the output shown below it."""
    parts = re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def output_of(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ending = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        text=True,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": path, "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"},
        check=False,
    )
    return ending.stdout


def words_of(output: str) -> list[str]:
    """What must not change: another processor may round the numbers differently."""
    masked = NUMBER.sub("#", re.sub("[▁▂▃▄▅▆▇█]+", "~", output))
    return [" ".join(line.replace("-#", "#").split()) for line in masked.splitlines()]


def prepare(folder: Path) -> None:
    for name in ("data", "examples"):
        shutil.copytree(ROOT / name, folder / name)


def ran(session: str, folder: Path) -> str:
    """Run the commands of a session, on a cluster of its own if it speaks of one."""
    if SCHEDULER not in session:
        return "".join(f"$ {one}\n{output_of(one, folder)}" for one, _ in commands_of(session))
    from tests.dask_helpers import cluster_of

    with cluster_of(2) as cluster:
        output = ran(session.replace(SCHEDULER, cluster.scheduler_address), folder)
    output = output.replace(cluster.scheduler_address, SCHEDULER)
    return re.sub(r"127\.0\.0\.1:\d+/status", "127.0.0.1:8787/status", output)


def printed_by(code: str, folder: Path) -> list[str]:
    """Lines that an example in Python prints."""
    ending = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ending.stderr == ""
    return ending.stdout.splitlines()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("document", DOCUMENTS)
def test_all_that_a_document_shows_is_what_the_program_says(document: str, tmp_path: Path) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    if SCHEDULER in text:
        pytest.importorskip("distributed", reason="this is a test of Dask")
    prepare(tmp_path)
    for kind, shown in BLOCKS.findall(text):
        if kind == "python":
            assert printed_by(shown, tmp_path) == re.findall(r"# prints (.*)", shown), shown
            continue
        now = commands_of(ran(shown, tmp_path))
        for (command, output), (_, output_now) in zip(commands_of(shown), now, strict=True):
            assert words_of(output_now) == words_of(output), command


def test_the_readme_is_read_in_ten_minutes() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("document", [*DOCUMENTS, "CONTRIBUTING.md"])
def test_pictures_and_links_in_a_document_exist(document: str) -> None:
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        linked = path.parent / file if file else path
        assert linked.exists(), file
        titles = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE) if anchor else []
        anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
        assert not anchor or anchor in anchors, anchor


def test_every_document_is_reached_from_the_readme() -> None:
    links = re.findall(r"\]\(([^)#:]+/README\.md)", README.read_text(encoding="utf-8"))
    assert {"README.md", *links} == set(DOCUMENTS)


def test_no_document_tells_to_install_a_strangers_package() -> None:
    for document in [*DOCUMENTS, "CONTRIBUTING.md", "CHANGELOG.md"]:
        text = (ROOT / document).read_text(encoding="utf-8")
        assert not re.search(r"pip install minnet(?!-trainer)", text), document


def test_the_readmes_table_lists_every_command_as_the_help_does() -> None:
    rows = re.findall(r"^\| `minnet (\w+)[^|]*\|", README.read_text("utf-8"), re.MULTILINE)
    assert rows == [*COMMANDS]


def write_anew() -> None:
    for document in DOCUMENTS:
        with tempfile.TemporaryDirectory() as name:
            folder, path = Path(name), ROOT / document
            prepare(folder)

            def rerun(block: re.Match[str], folder: Path = folder) -> str:
                kind, shown = block.groups()
                if kind == "python":
                    printed = iter(printed_by(shown, folder))
                    return re.sub(r"(?<=# prints ).*", lambda _: next(printed), block.group())
                return f"{kind}\n{ran(shown, folder)}"

            path.write_text(BLOCKS.sub(rerun, path.read_text(encoding="utf-8")), "utf-8")


if __name__ == "__main__":
    write_anew()
