from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from minnet.errors import MinnetError
from minnet.training.settings import History
from tests.bad_inputs import fuzz, tampering

if TYPE_CHECKING:
    from pathlib import Path


def test_damaged_files_bring_out_nothing_but_plain_errors() -> None:
    counts = fuzz.fuzz(seconds=2, seed=0)
    assert min(counts.values()) > 0


def test_fuzzing_finds_a_fault_and_keeps_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> None:
        if b"," in data:
            raise IndexError("oops")

    monkeypatch.setattr(fuzz, "TARGETS", ((broken, fuzz.TABLES),))
    with pytest.raises(AssertionError, match=r"broken of .*: IndexError: oops") as error:
        fuzz.fuzz(seconds=2, seed=0)
    path = str(error.value).split()[2].removesuffix(":")
    with open(path, "rb") as file:
        assert b"," in file.read()


def test_undamaged_files_are_used() -> None:
    for target, originals in fuzz.TARGETS:
        for data in originals:
            target(data)


def test_damage_reaches_what_only_a_used_file_reaches() -> None:
    chance = random.Random(1)
    used = 0
    for _ in range(300):
        try:
            fuzz.try_model(fuzz.damaged(fuzz.MODELS[1], chance))
            used += 1
        except MinnetError:
            pass
    assert 10 < used < 290


def test_tampered_models_bring_out_nothing_but_answers_and_plain_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    counts, problems = tampering.tamper(share=0.05, commands=2)
    assert problems == []
    assert min(counts.values()) > 0


def test_tampering_finds_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tampering, "COMMANDS", ("show --json",))
    monkeypatch.setattr(History, "kept_losses", property(lambda history: 1 / 0))
    _, problems = tampering.tamper(share=0.01, commands=1)
    assert problems
    assert all(": show --json: " in problem for problem in problems)
    assert all("ZeroDivisionError" in problem for problem in problems)


@pytest.mark.parametrize(
    ("tampered", "commands"),
    [
        ("settings.learning_rate: 1e+308", ("explain rows.csv --row 1",)),
        ("class_counts.0: 0", ("evaluate rows.csv --json", "show --json")),
        ("history.training_loss.0: 0", ("plot loss -o loss.png",)),
        ("history.training_loss: 3e+38", ("plot loss -o loss.png", "page -o page.html")),
        ("history.holdout_loss: 3e+38", ("show", "plot loss -o loss.png")),
        ("network.scales: 1e+308", ("explain rows.csv --row 3 --json",)),
        ("network.scales: 1e-310", ("explain rows.csv --row 1",)),
    ],
)
def test_faults_that_tampering_has_found_stay_away(
    tampered: str, commands: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tampered.json").write_bytes(
        next(data for name, data in tampering.tampered(tampering.prepare()) if name == tampered)
    )
    assert [tampering.problem(command, "tampered.json") for command in commands] == [""] * len(
        commands
    )
