"""Where output goes: places that cannot be written, and places that must stay what they are."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from minnet.errors import FileError
from minnet.model.document import load
from minnet.plots import figure
from tests.bad_inputs.helpers import contents, error_of, finish, minnet
from tests.helpers import IRIS, known_note, unfolded

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

    from tests.bad_inputs.helpers import Refused
    from tests.helpers import Ending, Run

QUICK = ("--epochs", "2", "--networks", "2")
# Every command that writes a file, apart from that file's name.
WRITERS = {
    "train": ("train", IRIS, *QUICK, "-m"),
    "train picture": ("train", IRIS, *QUICK, "--plot"),
    "predict": ("predict", IRIS, "-o"),
    "predict json": ("predict", IRIS, "--json", "-o"),
    "plot loss": ("plot", "-o"),
    "plot confusion": ("plot", "confusion", IRIS, "-o"),
    "seeds picture": ("seeds", IRIS, *QUICK, "--plot"),
    "export": ("export", "-o"),
    "tune": ("tune", IRIS, *QUICK, "-m"),
    "tune picture": ("tune", IRIS, *QUICK, "--plot"),
}


def name_for(writer: str) -> str:
    """Make a name that the command accepts for what it writes."""
    return "out.png" if "plot" in writer or "picture" in writer else "out"


each_writer = pytest.mark.parametrize("writer", list(WRITERS))


@each_writer
def test_missing_folder_is_refused(refused: Refused, writer: str) -> None:
    says = "cannot be written: the folder does not exist"
    refused(*WRITERS[writer], f"none/{name_for(writer)}", says=says)


@each_writer
def test_file_in_place_of_a_folder_is_refused(refused: Refused, writer: str) -> None:
    says = "cannot be written: Not a directory"
    refused(*WRITERS[writer], f"model.json/{name_for(writer)}", says=says)


@each_writer
def test_folder_is_refused(refused: Refused, writer: str, tmp_path: Path) -> None:
    (tmp_path / name_for(writer)).mkdir()
    refused(*WRITERS[writer], name_for(writer), says="cannot be written: it is a folder")


@each_writer
def test_pipe_is_refused_and_stays_a_pipe(refused: Refused, writer: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name_for(writer))
    refused(*WRITERS[writer], name_for(writer), says="cannot be written: it is not a regular file")


@each_writer
def test_device_is_refused_and_stays_a_device(
    refused: Refused, writer: str, tmp_path: Path
) -> None:
    (tmp_path / name_for(writer)).symlink_to("/dev/full")
    refused(*WRITERS[writer], name_for(writer), says="cannot be written: it is not a regular file")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@each_writer
def test_link_that_leads_to_itself_is_refused(
    refused: Refused, writer: str, tmp_path: Path
) -> None:
    (tmp_path / name_for(writer)).symlink_to(name_for(writer))
    refused(*WRITERS[writer], name_for(writer), says="cannot be written: ")


# Of a training, the model is written before the picture: see below.
@pytest.mark.parametrize(
    "writer", [name for name in WRITERS if name not in ("train picture", "tune picture")]
)
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc")
def test_folder_that_takes_no_files_is_refused(refused: Refused, writer: str) -> None:
    refused(*WRITERS[writer], f"/proc/{name_for(writer)}", says="cannot be written: ")


@each_writer
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only folder")
def test_read_only_folder_is_refused(refused: Refused, writer: str, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    says = "cannot be written: the folder is read-only"
    refused(*WRITERS[writer], f"closed/{name_for(writer)}", says=says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "data.png", *QUICK, "-m", "data.png"), "the command reads it"),
        (("train", "data.png", *QUICK, "-m", "link.png"), "the command reads it"),
        (("train", "data.png", *QUICK, "--plot", "data.png"), "the command reads it"),
        (("train", "data.png", *QUICK, "-m", "x.png", "--plot", "x.png"), "the command reads it"),
        (("predict", "data.png", "-o", "data.png"), "the command reads it"),
        (("predict", "data.png", "-o", "./link.png"), "the command reads it"),
        (("predict", "data.png", "-o", "model.json"), "the command reads it"),
        (("plot", "-m", "model.png", "-o", "model.png"), "the command reads it"),
        (("plot", "confusion", "data.png", "-o", "data.png"), "the command reads it"),
        (("seeds", "data.png", *QUICK, "--plot", "data.png"), "the command reads it"),
        (("train", "data.png", *QUICK, "-m", "other.txt"), "not a minnet model, so it is not over"),
        (("tune", "data.png", *QUICK, "-m", "other.txt"), "not a minnet model, so it is not over"),
        (("tune", "data.png", *QUICK, "-m", "data.png"), "the command reads it"),
        (("tune", "data.png", *QUICK, "--plot", "data.png"), "the command reads it"),
        (("train", "data.*", *QUICK, "-m", "data.png"), "the command reads it"),
        (("train", "data.*", *QUICK, "-m", "link.png"), "the command reads it"),
        (("train", "data.*", *QUICK, "--plot", "./data.png"), "the command reads it"),
        (("tune", "data.*", *QUICK, "-m", "data.png"), "the command reads it"),
        (("tune", "data.*", *QUICK, "--plot", "data.png"), "the command reads it"),
        (("seeds", "*.png", *QUICK, "--plot", "data.png"), "the command reads it"),
        (("plot", "confusion", "d*.png", "-o", "data.png"), "the command reads it"),
        (("page", "d*.png", "-o", "data.png"), "the command reads it"),
        (("page", "d*.png", "-o", "there/../data.png"), "the command reads it"),
        (("predict", "d*.png", "-o", "."), "the command reads it"),
        (("predict", "there/*", "-o", "."), "model.json: cannot be written: the command reads it"),
        (("export", "-o", "model.json"), "the command reads it"),
        (("export", "-m", "linked.json", "-o", "model.json"), "the command reads it"),
        (("export", "-o", "model.png"), "not an ONNX model that minnet wrote"),
        (("export", "-o", "link.png"), "not an ONNX model that minnet wrote"),
        (("export", "-o", "other.txt"), "not an ONNX model that minnet wrote"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_a_command_reads_is_not_written_over(
    refused: Refused, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    shutil.copy(IRIS, tmp_path / "data.png")
    shutil.copy(tmp_path / "model.json", tmp_path / "model.png")
    (tmp_path / "there").mkdir()
    shutil.copy(IRIS, tmp_path / "there" / "model.json")
    (tmp_path / "link.png").symlink_to("data.png")
    (tmp_path / "linked.json").symlink_to("model.json")
    (tmp_path / "other.txt").write_text("years of work\n")
    refused(*arguments, says=says)


@each_writer
def test_symbolic_link_is_followed_and_kept(
    with_iris_model: Run, writer: str, tmp_path: Path
) -> None:
    name = name_for(writer)
    (tmp_path / "there").mkdir()
    (tmp_path / name).symlink_to(f"there/{name}")
    assert with_iris_model(*WRITERS[writer], name).code == 0
    assert os.readlink(tmp_path / name) == f"there/{name}"
    assert [path.name for path in (tmp_path / "there").iterdir()] == [name]
    assert (tmp_path / "there" / name).stat().st_size > 0


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_permissions_of_the_model_are_kept(with_iris_model: Run, tmp_path: Path, mode: int) -> None:
    before = (tmp_path / "model.json").read_bytes()
    (tmp_path / "model.json").chmod(mode)
    assert with_iris_model("train", IRIS, *QUICK).code == 0
    assert stat.S_IMODE((tmp_path / "model.json").stat().st_mode) == mode
    assert (tmp_path / "model.json").read_bytes() != before


@each_writer
def test_full_disk_is_one_line_and_changes_nothing(
    with_iris_model: Run, writer: str, tmp_path: Path
) -> None:
    big = tmp_path / "big.csv"
    lines = IRIS.read_text().splitlines(keepends=True)
    big.write_text("".join(lines[:1] + lines[1:] * 4))
    arguments = [str(big) if argument == IRIS else argument for argument in WRITERS[writer]]
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The model of two networks takes over 10,000 bytes, and so does every picture.
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, most))
    try:
        before = contents(tmp_path)
        ending = with_iris_model(*arguments, name_for(writer))
        after = contents(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert "cannot be written: File too large" in error_of(ending)
    assert after == before


def test_picture_that_cannot_be_written_does_not_lose_the_model(
    with_iris_model: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise FileError("loss.png: cannot be written: No space left on device")

    monkeypatch.setattr(figure, "save", fail)
    before = (tmp_path / "model.json").read_bytes()
    ending = with_iris_model("train", IRIS, *QUICK, "--plot", "loss.png")
    assert error_of(ending) == "Error: loss.png: cannot be written: No space left on device"
    assert (tmp_path / "model.json").read_bytes() != before
    load(tmp_path / "model.json")


class TestStreams:
    """Standard input, output and error that are closed, full or cannot show every letter."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ("predict", IRIS),
            ("predict", IRIS, "--json"),
            ("evaluate", IRIS),
            ("evaluate", IRIS, "--json"),
            ("show",),
            ("show", "--json"),
            ("explain", IRIS, "--row", "1"),
            ("--help",),
            ("train", "--help"),
        ],
        ids=lambda arguments: "-".join(map(str, arguments)),
    )
    def test_full_standard_output_is_one_line(
        self, with_iris_model: Run, tmp_path: Path, arguments: tuple[str, ...]
    ) -> None:
        with open("/dev/full", "wb") as full:
            ending = finish(minnet(*arguments, cwd=tmp_path, stdout=full))
        assert ending.code == 1
        assert error_of(ending) == "Error: standard output: No space left on device"

    @pytest.mark.parametrize("command", ["predict", "evaluate", "train"])
    def test_closed_standard_output_is_one_line(
        self, with_iris_model: Run, tmp_path: Path, command: str
    ) -> None:
        before = contents(tmp_path)
        ending = shell(f'"$PYTHON" -m minnet {command} "$IRIS" >&-', tmp_path)
        assert error_of(ending) == "Error: standard output is closed"
        assert contents(tmp_path) == before

    @pytest.mark.parametrize("command", ["predict", "predict -", "evaluate -", "train -"])
    def test_closed_standard_input_is_one_line(
        self, with_iris_model: Run, tmp_path: Path, command: str
    ) -> None:
        before = contents(tmp_path)
        ending = shell(f'"$PYTHON" -m minnet {command} <&-', tmp_path)
        assert error_of(ending) == "Error: standard input is closed"
        assert contents(tmp_path) == before

    def test_closed_standard_error_does_not_matter(
        self, with_iris_model: Run, tmp_path: Path
    ) -> None:
        ending = shell('"$PYTHON" -m minnet train "$IRIS" --epochs 2 2>&-', tmp_path)
        assert ending.code == 0
        assert "accuracy" in ending.out
        load(tmp_path / "model.json")

    @pytest.mark.parametrize(
        "command", ["evaluate", "predict", "train -q --epochs 2", "explain -q --row 1"]
    )
    def test_output_that_nobody_reads_to_the_end_ends_quietly(
        self, with_iris_model: Run, tmp_path: Path, command: str
    ) -> None:
        assert shell(f'"$PYTHON" -m minnet {command} "$IRIS" | true', tmp_path).err == ""

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
    def test_terminal_without_unicode_shows_what_it_can(
        self, run: Run, tmp_path: Path, encoding: str
    ) -> None:
        rows = "".join(f"{i},é{i % 3},{'日本' if i % 2 else '🐧'}\n" for i in range(40))
        (tmp_path / "ü.csv").write_text("重さ,ä,名\n" + rows, encoding="utf-8")
        for command in (
            "train ü.csv --epochs 2 --plot x.png",
            "show",
            "show --json",
            "evaluate ü.csv",
            "explain ü.csv --row 1",
            "seeds ü.csv --networks 2 --epochs 2",
        ):
            ending = shell(f'"$PYTHON" -m minnet {command}', tmp_path, PYTHONIOENCODING=encoding)
            assert (ending.code, "Error" in ending.err) == (0, False), ending
            if "json" not in command:
                assert "\\u" in ending.out

    def test_predictions_are_utf_8_whatever_the_terminal_shows(
        self, run: Run, tmp_path: Path
    ) -> None:
        rows = "".join(f"{i},{'日本' if i % 2 else '🐧'}\n" for i in range(40))
        (tmp_path / "data.csv").write_text("größe,名\n" + rows, encoding="utf-8")
        assert run("train", "data.csv", "--epochs", "2").code == 0
        command = 'PYTHONIOENCODING=ascii "$PYTHON" -m minnet predict data.csv'
        assert "p(日本)" in shell(command, tmp_path).out

    def test_pictures_need_neither_home_nor_display_nor_a_working_backend(
        self, with_iris_model: Run, tmp_path: Path
    ) -> None:
        ending = shell(
            '"$PYTHON" -m minnet train "$IRIS" --epochs 2 -q --plot x.png',
            tmp_path,
            HOME="/proc/none",
            XDG_CONFIG_HOME="/proc/none",
            XDG_CACHE_HOME="/proc/none",
            MPLBACKEND="broken",
            DISPLAY="",
        )
        assert (ending.code, ending.err) == (0, "")
        assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")

    def test_predictions_that_fit_into_memory_need_no_folder_for_temporary_files(
        self, with_iris_model: Run, tmp_path: Path
    ) -> None:
        command = '"$PYTHON" -m minnet predict "$IRIS"'
        ending = shell(command, tmp_path, TMPDIR="/proc/none", HOME="/proc/none")
        assert (ending.code, unfolded(ending.err)) == (0, known_note(150))


def shell(command: str, folder: Path, **environment: str) -> Ending:
    """Run a shell command, in which $PYTHON and $IRIS are known."""
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHON": sys.executable, "IRIS": str(IRIS), **environment},
    )
    return finish(process, environment.get("PYTHONIOENCODING", "utf-8"))
