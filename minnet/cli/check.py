"""`minnet check`: hand-written gradients against finite differences."""

from __future__ import annotations

from minnet.analysis import gradient_check
from minnet.cli import options
from minnet.errors import MinnetError, plural
from minnet.report import Cells, Section, as_text
from minnet.training.settings import TrainingSettings


@options.command(
    "check", *options.TABLE, "hidden", "bins", "sharp_bins", "seed", *options.READING, "quiet"
)
def command(request: options.Request) -> None:
    """Hand-written gradients against finite differences.

    Takes rows of DATA and one network of the shape you train, randomly started. Compares the
    gradient of its loss with respect to every parameter, as backpropagation gives it, with what the
    loss does when that parameter is moved a little. Exits with 1 if they do not agree.

    \b
    Examples:
      minnet check iris.csv
      minnet check penguins.csv --target species --hidden 16,16
    """
    settings = TrainingSettings(networks=1, **request.settings)
    table, encoder, _ = request.read_training_data()
    check = gradient_check.check_table(table, encoder, settings)
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
            f"{check.scales[worst]:.1e} (distance / the larger one, or a hundredth of the largest "
            "gradient of all if that is larger)",
        ),
    ]
    verdict = "agree" if check.passed else "DO NOT agree"
    return Section(
        f"one network, {' -> '.join(map(str, check.sizes))}, random parameters, float64",
        [
            f"mean cross-entropy of {check.rows} of {plural(check.available, 'row')}, "
            "drawn at random",
            f"{len(check.names):,} parameters, each moved {gradient_check.STEP:g} up and down",
            *([kinks] if skipped else []),
            Cells(facts, left=(0, 1)),
            f"backpropagation and finite differences {verdict} to {gradient_check.LARGEST_ERROR:g}",
        ],
    )
