from __future__ import annotations

import json
import os
import random
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from minnet import Model, TrainingSettings, read_csv
from minnet.data.encoding import Encoder
from minnet.errors import FileError, ModelError
from minnet.model.document import load, save
from minnet.model.fit import TrainingData, fit_model
from minnet.network.network import Network
from minnet.training import checkpoint
from minnet.training.checkpoint import Checkpointer
from minnet.training.loop import EachEpoch, State, Training, make_generators
from minnet.training.settings import Epoch
from tests.helpers import IRIS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run

SECONDS = checkpoint.SECONDS
SHORT = TrainingSettings(epochs=6, networks=3, hidden=(4,))
KEY, OTHER = "1a2b3c4d" * 8, "99aabbcc" * 8


class Interruption(Exception):
    """Something cuts a training off."""


@pytest.fixture(autouse=True)
def _save_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(tmp_path / "model.json")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the checkpoint is."""
    return tmp_path / "model.json.1a2b3c4d.checkpoint"


def train(
    checkpointer: Checkpointer | None, settings: TrainingSettings = SHORT, stop_after: int = 0
) -> Model:
    """Train on iris, but cut off after so many epochs if that is above 0."""
    epochs: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        epochs.append(epoch)
        if len(epochs) == stop_after:
            raise Interruption

    table = read_csv(IRIS)
    encoder = Encoder.fit(table, "species")
    data = TrainingData.of(encoder, table.source, encoder.examples(table), settings)
    callbacks = [checkpointer] if checkpointer else []
    return fit_model(data, settings, [*callbacks, EachEpoch(on_epoch)])


def resume(model: str, settings: TrainingSettings = SHORT) -> Model:
    return train(Checkpointer(model, KEY, resuming=True), settings)


def saved(model: Model, path: Path) -> bytes:
    save(model, path)
    return path.read_bytes()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("stop_after", range(1, 6))
def test_interrupting_at_any_epoch_and_resuming_changes_nothing(
    tmp_path: Path, model: str, optimizer: Any, stop_after: int
) -> None:
    settings = TrainingSettings(epochs=6, networks=3, hidden=(4,), optimizer=optimizer)
    whole = saved(train(None, settings), tmp_path / "whole.json")
    with pytest.raises(Interruption):
        train(Checkpointer(model, KEY), settings, stop_after)
    resuming = Checkpointer(model, KEY, resuming=True)
    assert saved(train(resuming, settings), tmp_path / "resumed.json") == whole
    resuming.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resumed.json", "whole.json"]


def test_interrupted_twice_and_after_the_best_epoch_is_resumed_all_the_same(
    tmp_path: Path, model: str
) -> None:
    settings = TrainingSettings(epochs=60, patience=3, networks=2, learning_rate=0.1)
    whole = train(None, settings)
    epochs = len(whole.history.training_loss)
    assert whole.history.best_epochs.max() < epochs - 1
    with pytest.raises(Interruption):
        train(Checkpointer(model, KEY), settings, 2)
    with pytest.raises(Interruption):
        train(Checkpointer(model, KEY, resuming=True), settings, epochs - 3)
    assert saved(resume(model, settings), tmp_path / "a") == saved(whole, tmp_path / "b")


def test_a_short_training_leaves_no_checkpoint(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", SECONDS)
    epochs: list[int] = []
    train(Checkpointer(model, KEY, on_save=epochs.append))
    assert epochs == []
    assert not list(tmp_path.iterdir())


def test_a_long_training_is_saved_every_30_seconds(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    monkeypatch.setattr(checkpoint, "SECONDS", SECONDS)
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: seconds))

    class TenSecondsAnEpoch(Checkpointer):
        def on_epoch(self, training: Training) -> None:
            nonlocal seconds
            seconds += 10
            super().on_epoch(training)

    epochs: list[int] = []
    train(TenSecondsAnEpoch(model, KEY, on_save=epochs.append))
    assert epochs == [3, 6]


def test_resumed_training_tells_which_epoch_the_file_holds_before_it_saves_another(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Interruption):
        train(Checkpointer(model, KEY), SHORT, 3)
    monkeypatch.setattr(checkpoint, "SECONDS", SECONDS)
    epochs: list[int] = []
    train(Checkpointer(model, KEY, resuming=True, on_save=epochs.append))
    assert epochs == [3]


def edit(file: Path, compressed: bool = False, **changes: Any) -> None:
    """Write the checkpoint anew, with some arrays changed; those that are None are left out."""
    with np.load(file) as archive:
        arrays = dict(archive)
    for name, change in changes.items():
        arrays[name] = change(arrays[name].copy()) if callable(change) else change
    kept = {name: array for name, array in arrays.items() if array is not None}
    with open(file, "wb") as opened:
        (np.savez_compressed if compressed else np.savez)(opened, **kept)


def with_item(place: Any, value: Any) -> Any:
    def change(array: Any) -> Any:
        array[place] = value
        return array

    return change


def with_states(change: Any) -> Any:
    return lambda text: np.array(json.dumps(change(json.loads(str(text)))))


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in ("epochs", "values", "steps", "generators", "best_losses")),
        *(
            {name: np.array("x")}
            for name in ("epochs", "values", "moments", "steps", "best_epochs", "generators")
        ),
        {"values": np.array([{}], object)},
        {"values": lambda values: values[:, 1:]},
        {"values": lambda values: values.astype(np.float64)},
        {"values": with_item((0, 0), np.nan)},
        {"best_values": with_item((0, 0), np.inf)},
        {"best_epochs": with_item(0, 2**62)},
        {"best_epochs": with_item(0, 7)},
        {"best_epochs": with_item(0, 0)},
        {"best_epochs": with_item(0, -1)},
        {"epochs": lambda epochs: epochs[:0]},
        {"epochs": lambda epochs: epochs[:, :3]},
        {"epochs": with_item((0, 0, 0), np.nan)},
        {"epochs": with_item((0, 2, 0), np.inf)},
        {"moments": lambda moments: moments[:1]},
        {"moments": with_item((0, 0, 0), np.nan)},
        {"steps": np.array(-5)},
        {"steps": np.array([5])},
        {"generators": with_states(lambda states: states[:2])},
        {"generators": with_states(lambda states: [None, *states[1:]])},
        {"generators": with_states(lambda states: [states[0] | {"uinteger": 2**32}] * 3)},
        {"generators": with_states(lambda states: [states[0] | {"bit_generator": "X"}] * 3)},
    ],
)
def test_edited_checkpoint_with_invalid_contents_is_refused(
    model: str, file: Path, changes: dict[str, Any]
) -> None:
    train(Checkpointer(model, KEY))
    edit(file, **changes)
    with pytest.raises(ModelError, match=r"cannot be resumed: it is damaged$"):
        resume(model)


def test_edited_checkpoint_with_valid_contents_is_resumed(model: str, file: Path) -> None:
    train(Checkpointer(model, KEY))
    largest = {"has_uint32": 1, "uinteger": 2**32 - 1}
    edit(file, generators=with_states(lambda states: [one | largest for one in states]))
    assert len(resume(model).history.training_loss) == 6


def test_checkpoint_damaged_at_random_is_resumed_or_refused(model: str, file: Path) -> None:
    train(Checkpointer(model, KEY), SHORT, 0)
    whole, chance = file.read_bytes(), random.Random(0)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 3, 20))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        file.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        with suppress(FileError, ModelError):
            resume(model)


def not_a_checkpoint(file: Path, kind: str) -> None:
    """Put something into the checkpoint's place."""
    whole = file.read_bytes()
    if kind == "other key":
        edit(file, title=np.array(f"minnet checkpoint 4 {KEY[:-1]}e"))
    elif kind == "older version":
        edit(file, title=np.array(f"minnet checkpoint 3 {KEY}"))
    elif kind == "title of another type":
        edit(file, title=np.arange(3))
    elif kind == "pickled title":
        edit(file, title=np.array([{}], object))
    elif kind == "no title":
        edit(file, title=None)
    elif kind == "compressed":
        edit(file, compressed=True)
    elif kind == "single array":
        with open(file, "wb") as opened:
            np.save(opened, np.arange(3))
    else:
        file.unlink()
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "folder":
            file.mkdir()
        elif kind == "dangling link":
            file.symlink_to("nothing")
        else:
            damaged = {"truncated": whole[: len(whole) // 2], "table": b"a,b\n1,2\n", "empty": b""}
            file.write_bytes(damaged[kind])


def look(file: Path) -> Any:
    status = file.lstat()
    return status.st_mode, status.st_ino, file.is_file() and file.read_bytes()


@pytest.mark.parametrize(
    "kind",
    [
        *("other key", "older version", "title of another type", "pickled title", "no title"),
        *("compressed", "single array", "truncated", "table", "empty"),
        *("pipe", "folder", "dangling link"),
    ],
)
def test_what_is_not_the_trainings_own_checkpoint_is_refused_and_never_changed(
    model: str, file: Path, kind: str
) -> None:
    train(Checkpointer(model, KEY))
    not_a_checkpoint(file, kind)
    before = look(file)
    for resuming in (True, False):
        checkpointer = Checkpointer(model, KEY, resuming=resuming)
        with pytest.raises(FileError, match=r"1a2b3c4d\.checkpoint: "):
            train(checkpointer)
        checkpointer.remove()
        assert look(file) == before


def test_what_comes_into_the_checkpoints_place_during_the_training_is_never_changed(
    model: str, file: Path
) -> None:
    class Intruded(Checkpointer):
        def on_epoch(self, training: Training) -> None:
            if len(training.epochs) == 3:
                file.write_bytes(b"years of work")
            super().on_epoch(training)

    warnings: list[str] = []
    checkpointer = Intruded(model, KEY, warn=warnings.append)
    train(checkpointer)
    checkpointer.remove()
    assert file.read_bytes() == b"years of work"
    assert len(warnings) == 1
    assert "not a checkpoint of this training" in warnings[0]


def test_checkpoints_of_other_trainings_of_the_model_are_named_and_left_alone(
    model: str, tmp_path: Path, file: Path
) -> None:
    train(Checkpointer(model, OTHER))
    (other,) = tmp_path.iterdir()
    before = other.read_bytes()
    (tmp_path / "model.json.of_mine.checkpoint").touch()
    checkpointer = Checkpointer(model, KEY)
    assert checkpointer.others == [str(other)]
    train(checkpointer)
    assert file.exists()
    checkpointer.remove()
    assert not file.exists()
    assert other.read_bytes() == before


def test_resuming_without_a_checkpoint_is_refused(model: str) -> None:
    with pytest.raises(FileError, match=r"1a2b3c4d\.checkpoint: no checkpoint to resume from$"):
        resume(model)
    train(Checkpointer(model, OTHER))
    others = r"\(model\.json\.99aabbcc\.checkpoint: of other data or other settings\)$"
    with pytest.raises(FileError, match=f"no checkpoint to resume from {others}"):
        resume(model)


def test_checkpoint_that_cannot_be_written_is_one_warning_and_no_end(tmp_path: Path) -> None:
    warnings: list[str] = []
    epochs: list[int] = []
    name = str(tmp_path / ("m" * 250))
    whole = train(None)
    alike = train(Checkpointer(name, KEY, on_save=epochs.append, warn=warnings.append))
    np.testing.assert_array_equal(alike.network.values, whole.network.values)
    assert len(warnings) == 1
    assert warnings[0].startswith("no checkpoint was saved: ")
    assert warnings[0].endswith("cannot be written: File name too long")
    assert epochs == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_checkpoint_is_tried_again_after_it_could_not_be_written(
    model: str, file: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    savez, calls = np.savez, []

    def fail_twice(*arguments: Any, **arrays: Any) -> None:
        calls.append(arguments)
        if len(calls) < 3:
            raise error
        savez(*arguments, **arrays)

    monkeypatch.setattr(np, "savez", fail_twice)
    warnings: list[str] = []
    epochs: list[int] = []
    train(Checkpointer(model, KEY, on_save=epochs.append, warn=warnings.append))
    assert (len(warnings), epochs) == (1, [3, 4, 5, 6])
    assert [path.name for path in file.parent.iterdir()] == [file.name]


QUICK = ("train", IRIS, "--epochs", 8, "--networks", 2)


def interrupt_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Checkpointer.on_epoch

    def save_and_stop(self: Checkpointer, training: Training) -> None:
        save(self, training)
        if len(training.epochs) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpointer, "on_epoch", save_and_stop)


def test_train_resumes_to_the_same_bytes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*QUICK, "-m", "whole.json").code == 0
    with monkeypatch.context() as patch:
        interrupt_after(3, patch)
        ending = run(*QUICK)
    assert ending.code == 130
    (file,) = tmp_path.glob("model.json.*.checkpoint")
    assert ending.err.rstrip().endswith(
        "Interrupted: no model was written; the same command with --resume resumes after epoch 3, "
        f"from {file}"
    )
    assert not (tmp_path / "model.json").exists()
    assert run(*QUICK, "--resume").code == 0
    assert (tmp_path / "model.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert not list(tmp_path.glob("*.checkpoint"))


def test_train_keeps_checkpoints_of_other_settings_and_says_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no checkpoint to resume from" in run(*QUICK, "--resume").only_error
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        run(*QUICK)
    (file,) = tmp_path.iterdir()
    kept = file.read_bytes()
    ending = run(*QUICK, "--seed", 5, "--resume")
    assert ending.code == 1
    assert f"({file.name}: of other data or other settings)" in ending.only_error
    ending = run(*QUICK, "--seed", 5)
    assert ending.code == 0
    assert f"note: checkpoints of other data or settings are kept: {file}\n" in ending.err
    assert file.read_bytes() == kept
    assert run(*QUICK, "--resume").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json"]


def test_data_whose_name_is_that_of_a_checkpoint_is_refused_and_kept(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("model.json.checkpoint", "model.json.0123abcd.checkpoint"):
        (tmp_path / name).write_bytes(IRIS.read_bytes())
        assert run("train", name, *QUICK[2:]).code == 0
        assert (tmp_path / name).read_bytes() == IRIS.read_bytes()
    with monkeypatch.context() as patch:
        interrupt_after(1, patch)
        run(*QUICK, "-m", "other.json")
    (file,) = tmp_path.glob("other.json.*.checkpoint")
    file.write_bytes(IRIS.read_bytes())
    ending = run("train", file.name, *QUICK[2:], "-m", "other.json")
    assert "not a checkpoint of this training: move it away" in ending.only_error
    assert file.read_bytes() == IRIS.read_bytes()
    assert not (tmp_path / "other.json").exists()


def test_train_warns_once_of_a_checkpoint_that_cannot_be_written(run: Run) -> None:
    name = "m" * 250
    ending = run(*QUICK, "-m", name)
    assert ending.code == 0
    assert ending.err.count("warning: no checkpoint was saved: ") == 1
    load(name)


def test_velocity_of_rounds_is_resumed(model: str) -> None:
    settings = TrainingSettings(networks=2)
    trainings = []
    for velocity in (1.5, 0.0):
        generators = make_generators(settings)
        state = State.start(Network.random([3, 2, 2], generators).values, 3)
        state.moments[-1][...] = velocity
        trainings.append(Training(state, generators, np.arange(2), [settings]))
    interrupted, resumed = trainings
    interrupted.state = interrupted.state._replace(steps=1)
    interrupted.epochs.append(Epoch(*np.ones((len(Epoch._fields), 2))))
    interrupted.best_epochs[...] = 1
    checkpointer = Checkpointer(model, KEY, resuming=True)
    checkpointer.on_epoch(interrupted)
    checkpointer.on_start(resumed)
    assert (resumed.state.moments[-1] == 1.5).all()
    assert resumed.state.steps == 1
