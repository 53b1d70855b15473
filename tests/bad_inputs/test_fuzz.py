from __future__ import annotations

import random

import pytest

from minnet.errors import MinnetError
from tests.bad_inputs import fuzz


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
