from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

from minnet.errors import WorkerError
from minnet.training.rounds import Part

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("distributed", reason="these are the tests of Dask")

from minnet.dask import training as stored
from minnet.dask.training import Stored


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stored, "_folder", lambda: str(tmp_path))
    return tmp_path


def part_of(rows: int) -> Part:
    numbers = np.arange(rows * 3, dtype=np.float64).reshape(3, rows).T
    return Part(7, numbers, np.arange(rows) % 2, np.zeros(rows, np.int8))


@pytest.mark.parametrize("rows", [0, 1, 1001])
def test_stored_value_is_loaded_as_it_was_wherever_it_goes(rows: int, folder: Path) -> None:
    part = part_of(rows)
    kept = Stored(part)
    for one in (kept, pickle.loads(pickle.dumps(kept))):
        loaded = one.load()
        assert loaded.number == 7
        for array, expected in zip(loaded[1:4], part[1:4], strict=True):
            np.testing.assert_array_equal(array, expected)
            assert array.dtype == expected.dtype
            assert not len(array) or array.ctypes.data % stored.ALIGNMENT == 0
    with pytest.raises(ValueError, match="read-only"):
        loaded.labels[...] = 0


def test_file_goes_with_the_last_reference(folder: Path) -> None:
    kept = Stored(part_of(10))
    loaded = kept.load()
    (file,) = folder.iterdir()
    del kept
    assert not file.exists()
    assert loaded.features[9, 2] == 29


def test_what_cannot_be_kept_is_told_when_it_is_wanted_wherever_it_was_sent(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Stored(part_of(3))
    sent = pickle.dumps(kept)
    monkeypatch.setattr(stored, "_folder", lambda: str(folder / "none"))
    reason = r"cannot keep its parts in .*none: No such file"
    for one in (Stored(part_of(3)), pickle.loads(sent), copy.copy(pickle.loads(sent))):
        with pytest.raises(WorkerError, match=reason):
            one.load()
    (file,) = folder.iterdir()
    file.unlink()
    for one in (kept, pickle.loads(pickle.dumps(kept))):
        with pytest.raises(WorkerError, match=f"a worker lost its part {file}: No such file"):
            one.load()


def test_full_disk_is_told_and_keeps_no_piece_of_a_part_for_long(folder: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits are of Unix")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        kept = Stored(part_of(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(WorkerError, match="File too large"):
        kept.load()
    del kept
    assert not [*folder.iterdir()]
