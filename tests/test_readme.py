"""Runs every session of the README; `python -m tests.test_readme` writes them anew."""

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
SESSIONS = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
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
    (folder / "parts").mkdir()
    header, *rows = (folder / "data" / "penguins.csv").read_text().splitlines(keepends=True)
    for part in range(4):
        (folder / "parts" / f"{part}.csv").write_text(header + "".join(rows[part::4]))


def ran(session: str, folder: Path) -> str:
    """Run the commands of a session, on a cluster of its own if it speaks of one."""
    if SCHEDULER not in session:
        return "".join(f"$ {one}\n{output_of(one, folder)}" for one, _ in commands_of(session))
    from tests.dask_helpers import cluster_of

    with cluster_of(2) as cluster:
        output = ran(session.replace(SCHEDULER, cluster.scheduler_address), folder)
    output = output.replace(cluster.scheduler_address, SCHEDULER)
    return re.sub(r"127\.0\.0\.1:\d+/status", "127.0.0.1:8787/status", output)


def check_sessions(folder: Path, *, of_clusters: bool) -> None:
    prepare(folder)
    sessions = SESSIONS.findall(README.read_text(encoding="utf-8"))
    chosen = [session for session in sessions if (SCHEDULER in session) == of_clusters]
    assert chosen
    for session in chosen:
        now = commands_of(ran(session, folder))
        for (command, shown), (_, output) in zip(commands_of(session), now, strict=True):
            assert words_of(output) == words_of(shown), command


def test_every_session_in_the_readme_is_what_the_program_says(tmp_path: Path) -> None:
    check_sessions(tmp_path, of_clusters=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_readmes_session_on_a_cluster_is_what_the_program_says(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="this is a test of Dask")
    check_sessions(tmp_path, of_clusters=True)


def test_the_readmes_python_examples_run(tmp_path: Path) -> None:
    prepare(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for code in blocks:
        if "model.onnx" in code:
            output_of("minnet export", tmp_path)  # the model that a block before it saved
        ending = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ending.stderr == ""
        printed = ending.stdout.splitlines()
        assert printed == re.findall(r"# prints (.*)", code)


def test_pictures_and_links_in_the_readme_exist() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_no_document_tells_to_install_a_strangers_package() -> None:
    for document in ROOT.glob("*.md"):
        assert not re.search(r"pip install minnet(?!-trainer)", document.read_text()), document


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_mentions_every_command(command: str) -> None:
    assert f"minnet {command}" in README.read_text(encoding="utf-8")


def write_anew() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)

        def rerun(session: re.Match[str]) -> str:
            return ran(session.group(), folder)

        README.write_text(SESSIONS.sub(rerun, README.read_text(encoding="utf-8")), "utf-8")


if __name__ == "__main__":
    write_anew()
