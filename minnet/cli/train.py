"""`minnet train`: learn from a labelled CSV, write a model.

A table in parts is trained on by the workers of a Dask cluster, which read and keep it.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from types import FrameType
from typing import Any, Self

import click
import numpy as np

import minnet
from minnet.arrays import IntArray
from minnet.cli import options
from minnet.cli.progress import Progress
from minnet.data.columns import CategoricalColumn, DateColumn, NumericColumn
from minnet.data.csv import files_of, is_pattern
from minnet.data.encoding import Encoder
from minnet.data.table import FilePart
from minnet.errors import TrainingError, WorkerError, in_list, listed, plural
from minnet.model.diagnostics import notes_on
from minnet.model.document import refuse_to_overwrite, save
from minnet.model.fit import TrainingData, decided, fit_model
from minnet.model.model import Model
from minnet.model.scores import Evaluation, Scores, judge
from minnet.model.threshold import as_decision
from minnet.report import Cells, Section, sparkline
from minnet.training.checkpoint import Checkpointer
from minnet.training.loop import Callback, Training
from minnet.training.settings import Epoch, TrainingSettings, total_memory

# Measured at the peak of a training, in bytes for a byte of a file.
BYTES_OF_A_BYTE, BYTES_OF_A_PACKED_BYTE = 10, 40
STOPPING = "stopping after this epoch; Ctrl-C again stops at once and writes no model"
PACKED = (".parquet", ".gz", ".bz2", ".xz")


@options.command(
    "train",
    *options.TABLE,
    *options.GROUPS,
    options.option(
        "--weights",
        options.COLUMN,
        "A column that says how much each row counts, 0 or more; no feature.",
    ),
    "model",
    *options.SETTINGS,
    options.option(
        "--class-weight",
        options.of_class,
        "How much a row of a class counts; 1 where it is not named (repeatable).",
        multiple=True,
        metavar="CLASS=WEIGHT",
    ),
    options.threshold_option(
        "; balanced: the P with the best balanced accuracy on held-out rows", "balanced"
    ),
    *options.READING,
    options.option("--plot picture", options.FILE, "Also draw the loss curves."),
    options.option("--resume", bool, "Resume from the checkpoint of an interrupted training."),
    *options.RUNNING,
)
def command(request: options.Request) -> None:
    """Learn from a labelled CSV, write a model.

    DATA is a CSV or Parquet file with named columns, - for standard input, or a quoted pattern of
    files that hold a table in parts. With --scheduler, or if it does not fit into memory, it is
    read and kept in parts by the workers of a Dask cluster, and only parameters travel. On a
    terminal, Ctrl-C stops the training after its epoch and keeps the best so far. A training of
    over 30 seconds saves a checkpoint beside the model; after an interruption, the same command
    with --resume resumes from there and ends with the same model.

    \b
    Examples:
      minnet train iris.csv
      minnet train penguins.csv --target species --ignore year --plot loss.png
    """
    training = TrainingRun(request)
    check_model(request)
    try:
        if request.scheduler is not None or is_too_large(request):
            model, scores, notes = train_in_parts(training)
        else:
            table, encoder, summary = request.read_training_data()
            whole = encoder.examples(table)
            data = TrainingData.of(encoder, table.source, whole, training.settings)
            counts = data.examples.class_counts(len(encoder.class_names))
            callbacks = training.start(encoder, len(table), counts, data.examples.digest)
            with training:
                model = fit_model(data, training.settings, callbacks, request.workers)
            judged = judge(model, data.examples, data.judges, request.workers)
            model = decided(model, training.decision, lambda: judged.threshold_counts)
            is_same = model.threshold == judged.threshold
            scores = judged if is_same else replace(judged, threshold=model.threshold)
            notes = notes_on(model, table, summary, whole)
    except (WorkerError, MemoryError) as error:
        problem = error if isinstance(error, WorkerError) else "not enough memory"
        raise TrainingError(f"{problem}{training.resume_hint}") from None
    save_model(request, model)
    training.end(model)
    request.save_picture(lambda: minnet.plot_loss(model))
    request.print_result(
        lambda: document(model, scores, request.model), lambda: [report(model, scores)]
    )
    conclude(request, model, scores, notes)


def check_model(request: options.Request) -> None:
    """Find out before the work what would keep the model, or its picture, from being written."""
    options.check_outputs([request.model], request.data, check=refuse_to_overwrite)
    request.check_picture(request.picture)
    request.if_interrupted("no model was written")


def save_model(request: options.Request, model: Model) -> None:
    """Write the model that a command made."""
    save(model, request.model)
    request.if_interrupted(f"{request.model} was written")


def conclude(request: options.Request, model: Model, scores: Scores, notes: Iterable[str]) -> None:
    """Print what is noteworthy about a training, what was written, and what may come next."""
    request.note(notes)
    picture = f" and {request.picture}" if request.picture else ""
    request.say(f"wrote {request.model} ({model.size}){picture}")
    again, epochs = "next: the same command with", model.settings.epochs
    can_tune = not (scores.is_weighted or model.encoder.weights or model.threshold)
    if not scores.is_learned and model.settings.effective_learning_rate > 0.1:
        request.say(f"{again} a smaller --learning-rate (nothing was learned)")
    elif not scores.is_learned:
        request.suggest("minnet show", "nothing was learned: were columns and classes read right?")
    elif model.selection:
        request.suggest("minnet evaluate NEW.csv", "rows that did not choose tell how good it is")
    elif model.history.best_epochs.max() == epochs:
        request.say(f"{again} --epochs {2 * epochs} (the loss still fell)")
    elif scores.warnings and can_tune:
        request.say(f"{again} tune instead of train (the probabilities do not hold yet)")
    elif request.data == "-" or not isinstance(scores, Evaluation):
        request.suggest("minnet show", "what the model holds; then minnet evaluate on new rows")
    else:
        page = f"minnet page {options.quoted(request.data)}"
        request.suggest(page, "what it learned; then minnet evaluate on new rows")


class TrainingRun(Progress, Callback):
    """A training that is under way: its progress, and the checkpoint beside its model.

    Used in a `with` statement around the epochs. On a terminal, the first Ctrl-C lets the training
    stop after its epoch.

    Attributes
    ----------
    has_stopped
        Whether Ctrl-C stopped the training.
    rows
        Of the table, if rows per second are to be told; else 0.
    resume_hint
        How to resume from the checkpoint, to end a message with; empty if there is none.
    """

    def __init__(self, request: options.Request) -> None:
        self.request, self.settings = request, TrainingSettings(**request.settings)
        super().__init__("epoch {}/{}", self.settings.epochs, quiet=request.quiet)
        self.rows = 0
        self.has_stopped = False
        self.resume_hint = ""
        self._is_interrupted = False
        self._handler = signal.getsignal(signal.SIGINT)
        self._epochs: Sequence[Epoch] = ()

    def __enter__(self) -> Self:
        if callable(self._handler) and options.is_attended():
            signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        signal.signal(signal.SIGINT, self._handler)
        self._draw(is_last=True, is_done=kind is None and not self.has_stopped)

    def start(
        self, encoder: Encoder, rows: int, class_counts: IntArray, content: str
    ) -> list[Callback]:
        """Tell what there is to learn from, and prepare the checkpoint.

        Parameters
        ----------
        rows, class_counts
            Of the training table, and of those of each class that are learned from.
        content
            Tells the rows of the training table from all others.

        Returns
        -------
        list[Callback]
            Saves the state of the training, so that the same command can resume it, and tells its
            progress.
        """
        request, names, say = self.request, encoder.class_names, self.request.say
        weights = dict(request.class_weight) or None
        self.settings = self.settings.weighted(weights, request.data, names)
        self.decision = as_decision(request.threshold, request.data, names)
        say(data_summary(request, encoder, rows, class_counts))
        learned_from = int(class_counts.sum())
        key = repr((minnet.__version__, content, vars(encoder), self.settings, learned_from))
        self._checkpointer = Checkpointer(
            request.model,
            hashlib.sha256(key.encode()).hexdigest(),
            resuming=request.resume,
            on_save=self._on_save,
            warn=lambda message: say(f"warning: {message}"),
        )
        if others := ", ".join(self._checkpointer.others):
            say(f"note: checkpoints of other data or settings are kept: {others}")
        return [self._checkpointer, self]

    def _on_save(self, epoch: int) -> None:
        path = self._checkpointer.path
        self.resume_hint = (
            f"; the same command with --resume resumes after epoch {epoch}, from {path}"
        )
        self.request.if_interrupted(f"no model was written{self.resume_hint}")

    def on_start(self, training: Training) -> None:
        """Begin, after the epochs of a checkpoint if there are any."""
        self._epochs, self._start = training.epochs, time.monotonic()
        self._first = self._done = len(self._epochs)
        self._draw()

    def on_epoch(self, training: Training) -> None:
        """Tell that an epoch is done; after Ctrl-C it was the last."""
        self.advance()
        self.has_stopped = self._is_interrupted and self._done < self._steps
        training.is_stopped |= self._is_interrupted

    def _details(self, *, is_long: bool) -> tuple[list[str], list[str]]:
        """Tell the best epoch, and the losses of the last one."""
        if not self._epochs:
            return [], []
        more: list[str] = []
        less = [f"training {self._epochs[-1].training_loss.mean():.3f}"]
        judged = ~np.isnan(self._epochs[0].holdout_loss)
        if judged.any():
            losses = [float(epoch.holdout_loss[judged].mean()) for epoch in self._epochs]
            more.append(f"best {min(losses):.3f} (epoch {losses.index(min(losses)) + 1})")
            less.insert(0, f"holdout {losses[-1]:.3f}")
        if self.rows:
            seconds = max(time.monotonic() - self._start, 1e-9)
            more.append(f"{self.rows * (self._done - self._first) / seconds:,.0f} rows/s")
        return more, less + ["stops earlier if nothing improves"] * is_long

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Handle Ctrl-C: the first lets the training stop, the second ends the command."""
        if self._is_interrupted and callable(self._handler):
            self._handler(number, frame)
        self._is_interrupted = True
        if not self._hidden:
            # Not by way of sys.stderr, which may be in the middle of writing.
            os.write(2, self._over(STOPPING, "\n").encode())

    def end(self, model: Model) -> None:
        """Remove the checkpoint; if Ctrl-C stopped the training, keep it and tell so."""
        if self.has_stopped:
            epochs, kept = len(model.history), model.history.kept
            self.request.say(f"stopped after epoch {epochs}: kept {kept}{self.resume_hint}")
        else:
            self._checkpointer.remove()


def is_too_large(request: options.Request) -> bool:
    """Whether files hold more than fits into the memory of this machine.

    A single one is tried all the same if it could not be trained on otherwise.
    """
    needed = sum(
        os.path.getsize(file)
        * (BYTES_OF_A_PACKED_BYTE if file.lower().endswith(PACKED) else BYTES_OF_A_BYTE)
        for file in filter(os.path.isfile, files_of(request.data))
    )
    if needed <= total_memory():
        return False
    can_be_cut = not request.roles.drop_repeats and find_spec("distributed") is not None
    return is_pattern(request.data) or can_be_cut


def train_in_parts(training: TrainingRun) -> tuple[Model, Scores, Iterator[str]]:
    """Train on the cluster that is asked for, or else on one of processes here."""
    request = training.request
    if request.roles.drop_repeats:
        raise click.UsageError(
            "--drop-repeats needs the whole table on one machine: it does not go with --scheduler, "
            "nor with files that do not fit into memory"
        )
    if request.data == "-":
        raise click.UsageError("--scheduler needs files, not standard input")
    from minnet.dask.training import PartedTable

    first = FilePart(files_of(request.data)[0], request.form)
    target = request.roles.target_among(request.data, first.names())
    roles = replace(request.roles, target=target)
    form = replace(request.form, text=roles.form.text)
    with request.cluster(here=True) as client:
        table = PartedTable(client, request.data, roles, form)
        encoder, rows = table.encoder, table.summary.rows
        request.report_reading(encoder, table.summary)
        counts = np.sum(table.class_counts, axis=0)
        training.rows = int(counts.sum())
        callbacks = training.start(encoder, rows, counts, table.content)
        with training:
            model, scores = table.train(training.settings, callbacks, training.decision)
    return model, scores, table.notes(model)


def data_summary(
    request: options.Request, encoder: Encoder, rows: int, class_counts: IntArray
) -> str:
    """Tell in a line what there is to learn from: so many rows, and those of each class."""
    kinds = {"numeric": NumericColumn, "categorical": CategoricalColumn, "date": DateColumn}
    types = [type(column) for column in encoder.columns]
    columns = [
        plural(types.count(kind), f"{name} column") for name, kind in kinds.items() if kind in types
    ]
    counts = class_counts.tolist()
    pairs = zip(encoder.class_names, counts, strict=True)
    classes = listed([f"{in_list(name)} {count:,}" for name, count in pairs])
    left = f"{sum(counts):,} of " if sum(counts) < rows else ""
    default = " (the last column; --target chooses)" if request.roles.target is None else ""
    return (
        f"{left}{plural(rows, 'row')}, {', '.join(columns)}, "
        f"target {encoder.target!r}{default}: {classes}"
    )


def report(model: Model, scores: Scores) -> Section:
    """Tell how the training went, and how good the model is."""
    history = model.history
    losses = history.holdout_loss.mean(axis=1, dtype="float64").tolist()
    judged = "each judged by a network that never saw it"
    if len(model.network) == 1:
        judged = "by which the network chose its epoch: that flatters"
    accuracy, *others = scores.facts
    holdout_loss = (
        f"{sparkline(losses)}  {losses[0]:.3f} -> {history.kept_losses.mean():.3f} at "
        f"{history.kept} of {len(history)}"
    )
    facts = [("holdout loss", holdout_loss), accuracy, ("", judged), *others]
    threshold = [f"{scores.threshold}"] * bool(scores.threshold)
    return Section("", [Cells(facts, left=(0, 1)), *threshold, *scores.warnings])


def document(model: Model, scores: Scores, path: str) -> dict[str, Any]:
    """Tell the same as JSON."""
    history = model.history
    return {
        "model": path,
        "networks": len(model.network),
        "parameters_per_network": model.network.values.shape[1],
        "epochs": len(history),
        "best_epochs": history.best_epochs.tolist(),
        "holdout_loss": float(history.kept_losses.mean()),
        **scores.document(),
    }
