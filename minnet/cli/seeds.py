"""`minnet seeds`: how much the random start matters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import numpy as np

from minnet.analysis.seeds import SeedStudy, study_seeds
from minnet.arrays import Array
from minnet.cli import options
from minnet.cli.progress import Progress
from minnet.data.cells import short_names
from minnet.data.encoding import Encoder
from minnet.data.table import Table
from minnet.errors import plural
from minnet.plots.scores import plot_seeds
from minnet.report import Cells, Section, percent, records
from minnet.training.settings import TrainingSettings

MOST_ROWS_SHOWN = 10
_QUANTILES = ("smallest", "median", "largest")


@options.command(
    "seeds",
    *options.TABLE,
    *options.GROUPS,
    options.setting_option(
        "networks", kind=click.IntRange(min=2), text="How many seeds to try.", default=100
    ),
    options.setting_option("seed", text="The first of the seeds."),
    *(name for name in options.SETTINGS if name not in ("networks", "seed")),
    *options.READING,
    options.option("--plot picture", options.FILE, "Also draw the probabilities."),
    *options.RUNNING,
)
def command(request: options.Request) -> None:
    """How much the random start matters.

    Trains many networks on the same rows of DATA. They differ only in their seed, which decides
    the starting weights and the order of the rows; all hold out the same fifth of the rows.

    \b
    Examples:
      minnet seeds iris.csv
      minnet seeds iris.csv --ignore petal_length --hidden 2 --plot seeds.png
    """
    settings = TrainingSettings(**request.settings)
    request.check_picture(request.picture)
    table, encoder, _ = request.read_training_data()
    study = train_all(request, encoder, table, settings)
    request.save_picture(lambda: plot_seeds(study))
    request.print_result(lambda: _document(study), lambda: _report(study))
    request.note(study.notes)
    if request.picture:
        request.say(f"wrote {request.picture}")
    else:
        request.say("next: the same command with --plot seeds.png (each row's probabilities)")


def train_all(
    request: options.Request, encoder: Encoder, table: Table, settings: TrainingSettings
) -> SeedStudy:
    """Train a network from each seed, and tell how far that has come."""
    with (
        request.cluster() as workers,
        Progress("{}/{} networks", settings.networks, quiet=request.quiet) as progress,
    ):
        return study_seeds(encoder, table, settings, progress.advance, workers=workers)


def _report(study: SeedStudy) -> list[Section]:
    networks, rows, held_out = len(study), len(study.labels), int(study.held_out.sum())
    accuracies = ", ".join(f"{name} {percent(share)}" for name, share in _named(study.accuracies))
    failed = f"{_of(study.failed.sum(), networks)} networks never beat the class shares"
    facts = [
        ("accuracy", f"{accuracies} on {plural(held_out, 'row')} held out"),
        ("failed", f"{failed} (loss {study.baseline:.3f})"),
    ]
    if study.hidden_units:
        some = _of((study.live_units < study.hidden_units).sum(), networks)
        none = (study.live_units == 0).sum()
        dead = f"{some} networks have some (never above 0), {none:,} only dead ones"
        facts.append(("dead units", dead))
    changed = f"{_of(len(study.unstable), rows)} rows changed class with the seed"
    title = (
        f"{networks:,} networks, seeds {study.seeds[0]} to {study.seeds[-1]}, "
        f"trained on the same {rows - held_out:,} of {plural(rows, 'row')}"
    )
    return [
        Section(title, [Cells([*facts, ("unstable", changed)], left=(0, 1))]),
        *([_unstable_rows(study)] if len(study.unstable) else []),
        Section("", [_lesson(study)]),
    ]


def _unstable_rows(study: SeedStudy) -> Section:
    shown = study.unstable[:MOST_ROWS_SHOWN]
    correct = study.correct.sum(axis=0)
    names = short_names(study.class_names)
    cells = [
        [
            f"row {study.rows[row] + 1}",
            names[study.labels[row]],
            "held out" if study.held_out[row] else "trained on",
            *(f"{probability:.3f}" for probability in study.ranges[:, row]),
            _of(correct[row], len(study)),
        ]
        for row in shown
    ]
    heads = ["", "observed", "row was", *(f"{name} p" for name in _QUANTILES), "correct"]
    parts: list[str | Cells] = [Cells(cells, heads, left=(0, 1, 2), indent="  ")]
    if len(study.unstable) > len(shown):
        parts.append(f"  ... and {len(study.unstable) - len(shown):,} more, less unstable")
    return Section("", [*parts, "  (p is the probability of the observed class)"])


def _lesson(study: SeedStudy) -> str:
    accuracies = study.accuracies
    alike = accuracies >= np.quantile(accuracies, 0.5, method="lower")
    smallest, _, largest = np.quantile(study.probabilities[alike], [0, 0.5, 1], axis=0)
    moves = largest - smallest
    worst = moves.argmax()
    return (
        "Probabilities move even where accuracy does not: among the "
        f"{alike.sum():,} networks of median accuracy or better, that of the observed class moves "
        f"by {np.median(moves):.3f} in the median row and from {smallest[worst]:.3f} to "
        f"{largest[worst]:.3f} in row {study.rows[worst] + 1}, so trust a single "
        "network's probability no further than that."
    )


def _document(study: SeedStudy) -> dict[str, Any]:
    return {
        "networks": len(study),
        "held_out_rows": int(study.held_out.sum()),
        "accuracy": dict(_named(study.accuracies)),
        "class_shares_loss": study.baseline,
        "hidden_units": study.hidden_units,
        "failed": int(study.failed.sum()),
        "with_dead_units": int((study.live_units < study.hidden_units).sum()),
        "unstable_rows": len(study.unstable),
        "seeds": records(
            seed=study.seeds,
            accuracy=study.accuracies,
            holdout_loss=study.losses,
            failed=study.failed,
            live_units=study.live_units,
        ),
        "rows": records(
            row=study.rows + 1,
            place=map(study.table.at, study.rows.tolist()),
            observed=(study.class_names[label] for label in study.labels),
            held_out=study.held_out,
            probability_of_observed=(
                dict(zip(_QUANTILES, of_row, strict=True)) for of_row in study.ranges.T
            ),
            predictions=(
                dict(zip(study.class_names, of_row, strict=True))
                for of_row in study.prediction_counts
            ),
        ),
    }


def _named(values: Array) -> Iterator[tuple[str, float]]:
    """Smallest, median and largest."""
    return zip(_QUANTILES, np.quantile(values, [0, 0.5, 1]).tolist(), strict=True)


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}"
