"""`minnet check`: hand-written gradients against finite differences."""

from __future__ import annotations

import click

from minnet.analysis import gradient_check
from minnet.cli import options
from minnet.cli.text import Reading, reading_options
from minnet.errors import plural
from minnet.report import Cells, Section, as_text

MOST_ROWS = 64
# The work grows with the rows and with the square of the parameters.
ROWS_TIMES_PARAMETERS = 500_000
FEWEST_ROWS = 8
MOST_PARAMETERS = 30_000


@click.command("check")
@options.data_argument
@options.target_option
@options.ignore_option
@options.training_options(
    "networks",
    "epochs",
    "patience",
    "learning_rate",
    "batch_size",
    "weight_decay",
    "optimizer",
    "loss",
    "balanced",
)
@reading_options
@options.quiet_option
def command(
    data: str,
    target: str | None,
    ignore: tuple[str, ...],
    hidden: tuple[int, ...],
    bins: int,
    seed: int,
    reading: Reading,
    quiet: bool,
) -> None:
    """Hand-written gradients against finite differences.

    Takes rows of DATA and one network of the shape you train, randomly started. Compares the
    gradient of its loss with respect to every parameter, as backpropagation gives it, with what the
    loss does when that parameter is moved a little. Exits with 1 if they do not agree.

    \b
    Examples:
      minnet check iris.csv
      minnet check penguins.csv --target species --hidden 16,16
    """
    import numpy as np

    from minnet.errors import MinnetError, SettingsError
    from minnet.network.losses import CrossEntropy
    from minnet.training.settings import TrainingSettings

    settings = TrainingSettings(networks=1, hidden=hidden, bins=bins, seed=seed)
    table, encoder, _ = options.read_training_data(data, target, ignore, reading, quiet=quiet)
    examples = encoder.examples(table)
    features, labels = examples.features, examples.labels
    network = gradient_check.random_network(
        features, encoder.scaled, len(encoder.class_names), settings
    )
    parameters = network.values.shape[1]
    if parameters > MOST_PARAMETERS:
        raise SettingsError(
            f"{parameters:,} parameters are too many to move one by one (the most is "
            f"{MOST_PARAMETERS:,}): use a smaller --hidden, or leave columns out with --ignore"
        )
    most_rows = min(MOST_ROWS, max(FEWEST_ROWS, ROWS_TIMES_PARAMETERS // parameters))
    rows = np.random.default_rng(seed).permutation(len(features))[:most_rows]
    check = gradient_check.check_gradients(
        network,
        features[None, rows],
        labels[None, rows],
        CrossEntropy(),
        encoder.features,
        encoder.class_names,
    )
    sizes = [settings.inputs(encoder.scaled), *hidden, len(encoder.class_names)]
    options.print_lines(
        f"one network, {' -> '.join(map(str, sizes))}, random parameters, float64\n"
        f"mean cross-entropy of {len(rows)} of {plural(len(features), 'row')}, "
        f"drawn at random"
    )
    options.print_lines(as_text([_report(check)]))
    if not check.passed:
        raise MinnetError(
            "backpropagation and finite differences do not agree to "
            f"{gradient_check.LARGEST_ERROR:g}"
        )


def _report(check: gradient_check.GradientCheck) -> Section:
    worst, skipped = check.worst, int(check.skipped.sum())
    kinks = f"{skipped:,} of them skipped: that takes a sum across 0, where ReLU has a kink"
    facts = [
        ("worst", check.names[worst]),
        ("backpropagation", f"{check.backpropagated[worst]: .12f}"),
        ("central difference", f"{check.differences[worst]: .12f}"),
        (
            "relative error",
            f" {check.relative_error:.1e} = {check.distances[worst]:.1e} / "
            f"{check.scales[worst]:.1e} (distance / the larger one,",
        ),
        ("", " or a hundredth of the largest gradient of all if that is larger)"),
    ]
    verdict = "agree" if check.passed else "DO NOT agree"
    return Section(
        f"{len(check.names):,} parameters, each moved {gradient_check.STEP:g} up and down",
        [
            *([kinks] if skipped else []),
            Cells(facts, left=(0, 1)),
            f"backpropagation and finite differences {verdict} to {gradient_check.LARGEST_ERROR:g}",
        ],
    )
