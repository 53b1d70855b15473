"""What `minnet train` tells: what there is to learn from, how it went, and what is noteworthy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from minnet.cli import options, text
from minnet.errors import in_list, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from minnet.arrays import IntArray
    from minnet.dask.training import Trained
    from minnet.data.encoding import Encoder
    from minnet.data.examples import Examples
    from minnet.data.summaries import TableSummary
    from minnet.data.table import Table
    from minnet.model.model import Model
    from minnet.model.scores import Scores
    from minnet.training.checkpoint import Checkpointer

MOST_NOTES = 20


class Finished(NamedTuple):
    """What a training came to.

    Attributes
    ----------
    stopped
        What to tell if Ctrl-C stopped it; else empty.
    checkpointer
        What is not needed any more once the model is saved.
    """

    model: Model
    scores: Scores
    notes: list[str]
    stopped: str
    checkpointer: Checkpointer | None = None


def summary(encoder: Encoder, rows: int, class_counts: IntArray) -> str:
    """Tell in a line what there is to learn from: so many rows, and those of each class."""
    from minnet.data.columns import NumericColumn

    numbers = sum(isinstance(column, NumericColumn) for column in encoder.columns)
    categories = len(encoder.columns) - numbers
    columns = [plural(numbers, "numeric column")] if numbers else []
    if categories:
        columns.append(plural(categories, "categorical column"))
    names = encoder.class_names
    counts = class_counts.tolist()
    classes = [
        f"{in_list(name)} {count:,}" for name, count in zip(names[:10], counts, strict=False)
    ]
    more = [f"... ({len(names)} classes)"] if len(names) > 10 else []
    left = f"{sum(counts):,} of " if sum(counts) < rows else ""
    return (
        f"{left}{plural(rows, 'row')}, {', '.join(columns)}, "
        f"target {encoder.target!r}: {', '.join(classes + more)}"
    )


def report(model: Model, scores: Scores) -> str:
    """Tell how the training went, and how good the model is."""
    history = model.history
    losses = history.holdout_loss.mean(axis=1, dtype="float64").tolist()
    majority, majority_share = scores.majority
    low, high = scores.accuracy_interval
    judged = "each judged by a network that never saw it"
    if len(model.network) == 1:
        judged = "by which the network chose its epoch: that flatters"
    correct = f"{scores.correct:,} of {plural(len(scores), 'row')}"
    return "\n".join(
        (
            f"holdout loss       {text.sparkline(losses)}  {losses[0]:.3f} -> "
            f"{history.kept_losses.mean():.3f} at {history.kept} of {len(history)}",
            f"accuracy           {correct} ({text.percent(scores.accuracy)}, 95 % interval "
            f"{100 * low:.1f}-{100 * high:.1f}),",
            f"                   {judged}",
            f"                   majority class {majority!r}: {text.percent(majority_share)}",
            f"log loss           {scores.log_loss:.3f} nats per row "
            f"(class shares: {scores.baseline_log_loss:.3f})",
            f"calibration error  {scores.calibration_in_words}",
            *scores.warnings,
        )
    )


def document(model: Model, scores: Scores, path: str) -> dict[str, Any]:
    """Tell the same as JSON."""
    from minnet.cli.evaluate import scores_document

    history = model.history
    return {
        "model": path,
        "networks": len(model.network),
        "parameters_per_network": model.network.values.shape[1],
        "epochs": len(history),
        "best_epochs": history.best_epochs.tolist(),
        "holdout_loss": float(history.kept_losses.mean()),
        **scores_document(scores),
    }


def notes_on(
    model: Model,
    table: Table,
    summary: TableSummary,
    examples: Examples,
    ignored: Collection[str],
) -> list[str]:
    """Tell what is noteworthy about a training table, its folds and the model of it."""
    from minnet.analysis.diagnostics import (
        are_repeats_by_chance,
        model_diagnostics,
        split_diagnostics,
        table_diagnostics,
    )

    by_chance = are_repeats_by_chance(model.encoder, table, examples)
    return [
        *table_diagnostics(model, table, summary, ignored, examples),
        *split_diagnostics(model, examples.repeats, by_chance=by_chance),
        *model_diagnostics(model, examples.features),
    ]


def notes_on_parts(trained: Trained, ignored: Collection[str]) -> list[str]:
    """Tell what is noteworthy about a training table in parts, and its folds."""
    from minnet.analysis.diagnostics import parts_diagnostics, split_diagnostics

    model = trained.model
    return [
        *parts_diagnostics(model, trained.summary, trained.parts, trained.class_counts, ignored),
        *split_diagnostics(model, trained.repeats, "--group", by_chance=model.folds.is_coarse),
    ]


def print_notes(notes: Sequence[str]) -> None:
    """Print the first notes, and how many more there are."""
    for note in notes[:MOST_NOTES]:
        options.print_message(f"note: {note}")
    if len(notes) > MOST_NOTES:
        options.print_message(f"note: ... and {len(notes) - MOST_NOTES:,} more notes")
