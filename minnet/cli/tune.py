"""`minnet tune`: try configurations, keep the one that held-out rows like best."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import click

import minnet
from minnet.analysis.tuning import DEFAULT_VALUES, Grid, Trial, Tuning, search, varied_values
from minnet.cli import options, train
from minnet.cli.progress import Progress
from minnet.errors import DataError, plural
from minnet.model.diagnostics import notes_on
from minnet.model.document import save
from minnet.model.fit import TrainingData
from minnet.report import Cells, Section, attributes, encode, percent
from minnet.training.settings import shown_value

MOST_SHOWN = 30
NUMBERS = "log_loss", "standard_error", "accuracy", "seconds"


def _budget(value: str) -> tuple[int | None, float]:
    """Read `20`, a number of configurations, or `60s`, so many seconds."""
    number = value.removesuffix("s")
    if not (number.isascii() and number.isdigit() and len(number) < 19 and int(number)):
        raise click.BadParameter(
            f"{value!r} is neither configurations, like 20, nor seconds, like 60s"
        )
    return (int(number), math.inf) if number == value else (None, int(number))


def _tried_option(name: str) -> options.Option:
    """Make the option of a setting that is given once, or as several values to try."""
    kind, text = options.SETTINGS[name]
    if name == "networks":
        return options.setting_option(name)
    if kind is bool:
        return options.setting_option(name, default=None)
    values = DEFAULT_VALUES.get(name, [getattr(options.DEFAULTS, name)])
    if values != [None]:
        rate = options.DEFAULTS.effective_learning_rate
        shown = ", ".join(shown_value(rate if value is None else value) for value in values)
        text = f"{text.partition('  [')[0]}  [default: {shown}]"
    return options.setting_option(name, text=text, multiple=True, default=None)


@options.command(
    "tune",
    *options.TABLE,
    *options.GROUPS,
    "model",
    *map(_tried_option, options.SETTINGS),
    options.option(
        "--budget",
        _budget,
        "The most configurations to try, like 20; or for how long to begin new ones, like "
        "60s: only then does the result depend on the machine.",
        metavar="CONFIGURATIONS|SECONDS",
    ),
    *options.READING,
    options.option("--plot picture", options.FILE, "Also draw the losses of the configurations."),
    options.option(
        "--keep-best",
        bool,
        "On Ctrl-C, write the model of the best configuration so far, else nothing.",
    ),
    *options.RUNNING,
)
def command(
    request: options.Request, budget: tuple[int | None, float] | None, keep_best: bool
) -> None:
    """Try configurations, keep the one that held-out rows like best.

    Each is trained as by `minnet train`; the one with the smallest log loss on held-out rows
    becomes the model. Having been chosen by them flatters its scores on these rows: by how much is
    told, and kept in the model. Every option of training may be given once, or several times to try
    each value. The first values make the first configuration. Then each option has its turn: tried
    are its other values, in the best configuration so far.

    \b
    Examples:
      minnet tune penguins.csv --target species
      minnet tune iris.csv --hidden 16 --hidden 64,64 --budget 20
    """
    given = {name: one for name, one in request.settings.items() if one != ()}
    grid = Grid.from_settings(given)
    train.check_model(request)
    table, encoder, table_summary = request.read_training_data()
    whole = encoder.examples(table)
    data = TrainingData.of(encoder, table.source, whole, grid.first)
    counts = data.examples.class_counts(len(encoder.class_names))
    request.say(train.data_summary(request, encoder, len(table), counts))
    trials, seconds = budget or (None, math.inf)
    most = min(trials or grid.most, grid.most)
    so_far: list[Tuning] = []

    def on_trials(tuning: Tuning) -> None:
        before = len(so_far[0]) if so_far else 0
        so_far[:] = [tuning]
        if losses := [trial.log_loss for trial in tuning.trials if not trial.error]:
            progress.told = [f"best log loss {min(losses):.3f}"]
        progress.advance(len(tuning) - before)

    try:
        with (
            Progress("{}/{} configurations", most, quiet=request.quiet) as progress,
            request.cluster() as workers,
        ):
            tuning = search(data, grid, trials, seconds, workers, on_trials)
    except KeyboardInterrupt:
        if keep_best and so_far:
            save(so_far[0].model, request.model)
            best = f"the best of {plural(len(so_far[0]), 'configuration')}"
            request.if_interrupted(f"{request.model} was written: {best}")
        raise
    train.save_model(request, tuning.model)
    source = tuning.model.trained_on
    request.save_picture(lambda: minnet.plot_trials(tuning.trials, tuning.chosen, source=source))
    request.print_result(lambda: _document(tuning, request.model), lambda: [_report(tuning)])
    notes = notes_on(tuning.model, table, table_summary, whole)
    train.conclude(request, tuning.model, tuning.evaluation, notes)


def _report(tuning: Tuning) -> Section:
    trials = tuning.trials
    ranks = sorted(range(len(trials)), key=lambda i: (bool(trials[i].error), trials[i].log_loss))
    shown = [i for i in ranks if i in (0, tuning.chosen, *ranks[:MOST_SHOWN])]
    left = len(trials) - len(shown)
    varied = varied_values(trials)
    last = {name: name.rpartition("_")[2] for name in varied}
    settings = (name.replace("_", " ") if last[name] in varied else last[name] for name in varied)
    heads = ["", *settings, "log loss", "std. error", "accuracy", "seconds"]
    return Section(
        f"{plural(len(trials), 'configuration')}, judged on "
        f"{plural(len(tuning.evaluation), 'row')} held out (log loss in nats, CPU seconds)",
        [
            Cells([_cells(tuning, i, [own[i] for own in varied.values()]) for i in shown], heads),
            *([f"{plural(left, 'other configuration')}: see --json"] if left else []),
            *_verdict(tuning),
        ],
    )


def _cells(tuning: Tuning, number: int, values: list[str]) -> list[str]:
    trial = tuning.trials[number]
    scores = ["failed", "", ""]
    if not trial.error:
        is_known = math.isfinite(trial.standard_error)
        error = f"{trial.standard_error:.3f}" if is_known else "unknown"
        scores = [f"{trial.log_loss:.3f}", error, percent(trial.accuracy)]
    mark = "winner" if number == tuning.chosen else "" if number else "first"
    return [mark, *values, *scores, f"{trial.seconds:.2f}"]


def _verdict(tuning: Tuning) -> Iterator[str]:
    chosen, selection = tuning.chosen, tuning.selection
    if len(tuning) == 1:
        return
    varied = varied_values(tuning.trials)
    shown = ", ".join(f"{name} {values[chosen]}" for name, values in varied.items())
    first = "" if chosen else "the first configuration: "
    yield f"winner    {first}{shown.replace('_', ' ')}"
    gain, error = tuning.gain
    if gain > 0:
        doubt = "" if gain > 2 * error else ": may be chance"
        yield f"          log loss {gain:.3f} below the first's (standard error {error:.3f}{doubt})"
    if selection:
        log_loss, accuracy = _without_optimism(tuning)
        yield f"          {selection}"
        yield (
            f"          without that: log loss about {log_loss:.3f}, accuracy about "
            f"{percent(accuracy)}"
        )


def _without_optimism(tuning: Tuning) -> tuple[float, float]:
    """Log loss and accuracy of the chosen configuration, less what being chosen flatters."""
    scores, selection = tuning.evaluation, tuning.selection
    if selection is None:
        return scores.log_loss, scores.accuracy
    return (
        scores.log_loss + selection.log_loss_optimism,
        scores.accuracy - max(0.0, selection.accuracy_optimism),
    )


def _document(tuning: Tuning, path: str) -> dict[str, Any]:
    gain, error = encode(tuning.gain)
    log_loss, accuracy = _without_optimism(tuning)
    return {
        "model": path,
        "trained_on": tuning.model.trained_on,
        "trials": [
            attributes(trial, "configuration", *NUMBERS, "error") for trial in tuning.trials
        ],
        "chosen": tuning.chosen + 1,
        "log_loss_gain": gain,
        "log_loss_gain_standard_error": error,
        "log_loss_without_optimism": log_loss,
        "accuracy_without_optimism": accuracy,
        **tuning.evaluation.document(),
    }


def read_trials(path: str) -> dict[str, Any]:
    """Read what `minnet tune --json` printed: what `plot_trials` takes.

    Raises
    ------
    DataError
        If the file is anything else.
    """
    try:
        with open(path, "rb") as file:
            document = json.load(file)
        trials = [_read_trial(trial) for trial in document["trials"]]
        chosen, source = document["chosen"] - 1, str(document["trained_on"])
        (names,) = {tuple(trial.configuration) for trial in trials}  # the same in all of them
        if not names or chosen < 0 or not math.isfinite(trials[chosen].log_loss):
            raise ValueError
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception:  # whatever is wrong with it
        raise DataError(f"{path}: not what `minnet tune --json` printed") from None
    return {"trials": trials, "chosen": chosen, "source": source}


def _read_trial(document: dict[str, Any]) -> Trial:
    there = {name: document[name] for name in NUMBERS}
    numbers: Any = {name: math.nan if one is None else float(one) for name, one in there.items()}
    return Trial(dict(document["configuration"]), **numbers, error=str(document["error"]))
