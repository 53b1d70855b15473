"""`minnet train`: learn from a labelled CSV, write a model."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from minnet.cli import options, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minnet.encoding import Encoder
    from minnet.evaluation import Evaluation
    from minnet.model import Model
    from minnet.settings import TrainingSettings
    from minnet.table import Table
    from minnet.training import Epoch


@click.command("train")
@options.data_argument
@options.target_option
@options.ignore_option
@options.model_option
@options.training_options()
@options.no_header_option
@click.option("--plot", "picture", metavar="FILE", help="Also draw the loss curves.")
@options.json_option
@options.quiet_option
def command(
    data: str,
    target: str | None,
    ignore: tuple[str, ...],
    model: str,
    no_header: bool,
    picture: str | None,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Learn from a labelled CSV, write a model.

    DATA is a CSV file with a header line, or - for standard input.

    \b
    Examples:
      minnet train iris.csv
      minnet train penguins.csv --target species --ignore year --plot loss.png
    """
    from minnet.encoding import Encoder
    from minnet.evaluation import evaluate
    from minnet.files import check_replaceable
    from minnet.model import Model, refuse_to_overwrite
    from minnet.notes import model_notes, table_notes
    from minnet.settings import TrainingSettings

    made_settings = TrainingSettings(**settings)
    check_replaceable(model)
    refuse_to_overwrite(model)
    if picture:
        from minnet import plots

        plots.check_format(picture)
        check_replaceable(picture)
    table = options.read_data(data, text=[target] if target else [], no_header=no_header)
    target = target or list(table.columns)[-1]
    encoder = Encoder.fit(table, target, ignore)
    options.talk(_summary(encoder, table), quiet=quiet)
    with _progress(made_settings, quiet=quiet) as on_epoch:
        trained = Model.train(encoder, table, made_settings, on_epoch)
    evaluation = evaluate(trained, table)
    trained.save(model)
    if picture:
        plots.save(plots.plot_loss(trained), picture)
    if as_json:
        click.echo(json.dumps(_document(trained, evaluation, model)))
    else:
        click.echo(_report(trained, evaluation))
    if quiet:
        return
    for note in (
        *table_notes(trained, table, ignore),
        *model_notes(trained, trained.encoder.transform(table)),
    ):
        options.talk(f"note: {note}")
    weights = trained.network.values.shape[1]
    options.talk(
        f"wrote {model} ({text.plural(len(trained.network), 'network')} of {weights:,} weights)"
        + (f" and {picture}" if picture else "")
    )
    options.talk(f"next: minnet evaluate {data}" + _unless_default(model))


@contextmanager
def _progress(
    settings: TrainingSettings, *, quiet: bool
) -> Iterator[Callable[[Epoch], None] | None]:
    """Show a progress bar with the losses, on a terminal only."""
    if quiet or not options.is_terminal():
        yield None
        return
    with click.progressbar(
        length=settings.epochs,
        label=f"training {text.plural(settings.networks, 'network')}",
        bar_template="%(label)s  [%(bar)s]  epoch %(info)s",
        show_eta=False,
        show_percent=False,
        show_pos=True,
        width=20,
        item_show_func=lambda losses: losses,
        file=sys.stderr,
    ) as bar:

        def on_epoch(epoch: Epoch) -> None:
            training, holdout = epoch.training_loss.mean(), epoch.holdout_loss.mean()
            bar.update(1, f"training {training:.3f}  holdout {holdout:.3f}")

        yield on_epoch


def _summary(encoder: Encoder, table: Table) -> str:
    from minnet.columns import NumberColumn

    numbers = sum(isinstance(column, NumberColumn) for column in encoder.columns)
    categories = len(encoder.columns) - numbers
    columns = [text.plural(numbers, "number column")] if numbers else []
    if categories:
        columns.append(text.plural(categories, "category column"))
    names = encoder.class_names
    labels = encoder.labels(table)
    classes = [f"{name} {(labels == label).sum():,}" for label, name in enumerate(names[:10])]
    more = [f"... ({len(names)} classes)"] if len(names) > 10 else []
    return (
        f"{text.plural(len(table), 'row')}, {', '.join(columns)}, "
        f"target {encoder.target!r}: {', '.join(classes + more)}"
    )


def _report(model: Model, evaluation: Evaluation) -> str:
    history = model.history
    losses = history.holdout_loss.mean(axis=1).tolist()
    kept = history.best_epoch
    majority, majority_share = evaluation.majority
    low, high = evaluation.accuracy_interval
    correct = f"{evaluation.correct:,} of {text.plural(len(evaluation), 'row')}"
    return "\n".join(
        (
            f"holdout loss  {text.sparkline(losses)}  {losses[0]:.3f} -> {losses[kept - 1]:.3f} "
            f"at epoch {kept} of {len(losses)}",
            f"accuracy      {correct} ({text.percent(evaluation.accuracy)}, 95 % interval "
            f"{100 * low:.1f}-{100 * high:.1f}), each judged by a network that never saw it",
            f"              always saying {majority!r}: {text.percent(majority_share)}      "
            f"log loss {evaluation.log_loss:.3f} (guessing: {evaluation.guessing_log_loss:.3f})",
        )
    )


def _document(model: Model, evaluation: Evaluation, path: str) -> dict[str, Any]:
    from minnet.cli.evaluate import scores_document

    history = model.history
    return {
        "model": path,
        "networks": len(model.network),
        "weights_per_network": model.network.values.shape[1],
        "epochs": len(history.holdout_loss),
        "best_epoch": history.best_epoch,
        "holdout_loss": float(history.holdout_loss[history.best_epoch - 1].mean()),
        **scores_document(evaluation),
    }


def _unless_default(model: str) -> str:
    return "" if model == "model.json" else f" --model {model}"
