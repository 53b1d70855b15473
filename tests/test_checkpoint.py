from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from minnet import Model, TrainingSettings, read_csv
from minnet.data.encoding import Encoder
from minnet.errors import FileError, ModelError
from minnet.training import checkpoint
from minnet.training.checkpoint import Checkpoint
from tests.helpers import IRIS

if TYPE_CHECKING:
    from pathlib import Path

    from minnet.training.history import Epoch
    from minnet.training.loop import TrainingState
    from tests.helpers import Run

SECONDS = checkpoint.SECONDS
SHORT = TrainingSettings(epochs=6, networks=3, hidden=(4,))


class Interruption(Exception):
    """Something cuts a training off."""


@pytest.fixture(autouse=True)
def _keep_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)


def train(keeper: Checkpoint | None, settings: TrainingSettings, stop_after: int = 0) -> Model:
    """Train on iris, but cut off after so many epochs if that is above 0."""
    epochs: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        epochs.append(epoch)
        if len(epochs) == stop_after:
            raise Interruption

    table = read_csv(IRIS)
    return Model.train(Encoder.fit(table, "species"), table, settings, on_epoch, keeper)


def saved(model: Model, path: Path) -> bytes:
    model.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("stop_after", range(1, 6))
def test_interrupting_at_any_epoch_and_resuming_changes_nothing(
    tmp_path: Path, optimizer: Any, stop_after: int
) -> None:
    settings = TrainingSettings(epochs=6, networks=3, hidden=(4,), optimizer=optimizer)
    whole = saved(train(None, settings), tmp_path / "whole.json")
    file = str(tmp_path / "c")
    with pytest.raises(Interruption):
        train(Checkpoint(file, "key"), settings, stop_after)
    resuming = Checkpoint(file, "key", resuming=True)
    assert saved(train(resuming, settings), tmp_path / "resumed.json") == whole
    resuming.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resumed.json", "whole.json"]


def test_interrupted_twice_and_after_the_best_epoch_is_resumed_all_the_same(tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=60, patience=3, networks=2, learning_rate=0.1)
    whole = train(None, settings)
    epochs = len(whole.history.training_loss)
    assert whole.history.best_epoch < epochs - 1
    file = str(tmp_path / "c")
    with pytest.raises(Interruption):
        train(Checkpoint(file, "key"), settings, 2)
    with pytest.raises(Interruption):
        train(Checkpoint(file, "key", resuming=True), settings, epochs - 3)
    resumed = train(Checkpoint(file, "key", resuming=True), settings)
    assert saved(resumed, tmp_path / "a") == saved(whole, tmp_path / "b")


def test_a_short_training_leaves_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", SECONDS)
    keeper = Checkpoint(str(tmp_path / "c"), "key")
    train(keeper, SHORT)
    keeper.remove()
    assert keeper.kept_epoch == 0
    assert not list(tmp_path.iterdir())


def test_a_long_training_is_kept_every_30_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    monkeypatch.setattr(checkpoint, "SECONDS", SECONDS)
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: seconds))
    kept = []

    class TenSecondsAnEpoch(Checkpoint):
        def keep(self, state: TrainingState) -> None:
            nonlocal seconds
            seconds += 10
            super().keep(state)
            kept.append(self.kept_epoch)

    train(TenSecondsAnEpoch(str(tmp_path / "c"), "key"), SHORT)
    assert kept == [0, 0, 3, 3, 3, 6]


def test_resumed_training_says_which_epoch_the_file_holds_before_it_writes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "c")
    with pytest.raises(Interruption):
        train(Checkpoint(file, "key"), SHORT, 3)
    monkeypatch.setattr(checkpoint, "SECONDS", SECONDS)
    resuming = Checkpoint(file, "key", resuming=True)
    train(resuming, SHORT)
    assert resuming.kept_epoch == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "minnet-model"}, "not a checkpoint of this version"),
        ({"version": 2}, "not a checkpoint of this version"),
        ({"steps": "1"}, "steps"),
        ({"values": {"dtype": "<f4", "shape": [1], "bytes": "no"}}, "an array in it is damaged"),
        ({"values": {"dtype": "<f4", "shape": [2], "bytes": "00000000"}}, "is damaged"),
        ({"values": {"dtype": "<f4", "shape": [1], "bytes": "00000000"}}, "the wrong shape"),
        ({"generators": ["x", "y", "z"]}, "it makes no sense"),
        ({"generators": ["{}", "{}", "{}"]}, "it makes no sense"),
        ({"generators": [1, 2, 3]}, "it makes no sense"),
        ({"generators": []}, "does not fit together"),
        ({"moments": []}, "does not fit together"),
        ({"steps": -5}, "does not fit together"),
        ({"best_epochs": [1]}, "does not fit together"),
        ({"epochs": {}}, "an array"),
    ],
)
def test_edited_checkpoint_that_makes_no_sense_is_refused(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    file = tmp_path / "c"
    train(Checkpoint(str(file), "key"), SHORT)
    document = json.loads(file.read_bytes())
    del document["checksum"]
    file.write_text(json.dumps(document | change))
    with pytest.raises(ModelError, match=f"cannot be resumed: .*{reason}"):
        train(Checkpoint(str(file), "key", resuming=True), SHORT)


def test_checkpoint_of_other_data_or_settings_is_refused(tmp_path: Path) -> None:
    file = str(tmp_path / "c")
    train(Checkpoint(file, "one"), SHORT)
    with pytest.raises(ModelError, match="it belongs to other data or other settings"):
        train(Checkpoint(file, "other", resuming=True), SHORT)


def test_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c"
    train(Checkpoint(str(file), "key"), SHORT)
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole.replace(b'"steps": ', b'"steps": 1'), b"{}"):
        file.write_bytes(damaged)
        with pytest.raises(ModelError, match="cannot be resumed"):
            train(Checkpoint(str(file), "key", resuming=True), SHORT)


def test_resuming_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no checkpoint to resume from"):
        train(Checkpoint(str(tmp_path / "c"), "key", resuming=True), SHORT)


QUICK = ("train", IRIS, "--epochs", 8, "--networks", 2)


def interrupt_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Checkpoint.keep

    def keep_and_stop(self: Checkpoint, state: Any) -> None:
        keep(self, state)
        if len(state.epochs) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "keep", keep_and_stop)


def test_train_resumes_to_the_same_bytes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*QUICK, "-m", "whole.json").code == 0
    with monkeypatch.context() as patch:
        interrupt_after(3, patch)
        ending = run(*QUICK)
    assert ending.code == 130
    assert "; the same command with --resume resumes after epoch 3" in ending.err
    assert not (tmp_path / "model.json").exists()
    assert run(*QUICK, "--resume").code == 0
    assert (tmp_path / "model.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert not list(tmp_path.glob("*.checkpoint"))


def test_train_refuses_to_resume_with_other_settings_or_without_checkpoint(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no checkpoint to resume from" in run(*QUICK, "--resume").only_error
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        run(*QUICK)
    kept = (tmp_path / "model.json.checkpoint").read_bytes()
    ending = run(*QUICK, "--seed", 5, "--resume")
    assert ending.code == 1
    assert "it belongs to other data or other settings" in ending.only_error
    assert (tmp_path / "model.json.checkpoint").read_bytes() == kept
    assert json.loads(kept)["format"] == "minnet-checkpoint"
