"""Networks that are equally accurate give one flower very different probabilities.

100 networks learn from the same rows; only the random start and the order of rows differ. Their
accuracies nearly agree, the probabilities they give do not: one network's probability is an
opinion, and the spread over several says how far to trust it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minnet.analysis.seeds import study_seeds
from minnet.data.encoding import Encoder
from minnet.data.table import Table
from minnet.plots.figure import BLUE, VERMILLION, finish, isolate, new_axes, save
from minnet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from minnet.analysis.seeds import SeedStudy
    from minnet.arrays import Array

IRIS = Path(__file__).parents[1] / "data" / "iris.csv"
FLOWER = 41  # petal width 0.3, sepal width 2.3: a setosa near the border
TOGETHER = 8
# Names of columns decide the split: with these it holds the flower out, so no network has seen it.
NAMES = {"petal_width": "petal_width", "sepal_width": "sepal_width", "species": "iris"}
SETTINGS = TrainingSettings(networks=100, hidden=(2,))


def show_accuracies(study: SeedStudy) -> None:
    """Print how many networks predict how many of the held-out flowers correctly."""
    rows = int(study.held_out.sum())
    correct = study.correct[:, study.held_out].sum(axis=1)
    probabilities = study.probabilities[:, FLOWER]
    print(f"\ncorrect of {rows}  networks  p(setosa) of the flower: smallest  median  largest")
    for count in np.unique(correct):
        own = probabilities[correct == count]
        smallest, median, largest = np.quantile(own, [0, 0.5, 1])
        print(f"{count:11d}{len(own):10d}{smallest:35.2f}{median:8.2f}{largest:9.2f}")
    middle = np.quantile(correct, [0.05, 0.95])
    print(f"accuracy of the middle 90 networks: {middle[0]:.0f} to {middle[1]:.0f} of {rows}")


def show_probabilities(probabilities: Array) -> None:
    """Print how far p(setosa) of the flower moves, alone and as a mean of several networks."""
    low, middle_low, middle_high, high = np.quantile(probabilities, [0, 0.05, 0.95, 1])
    print(f"p(setosa) of the flower, all networks: {low:.2f} to {high:.2f}")
    print(f"the middle 90 of them:                 {middle_low:.2f} to {middle_high:.2f}")
    whole_groups = len(probabilities) // TOGETHER * TOGETHER
    means = probabilities[:whole_groups].reshape(-1, TOGETHER).mean(axis=1)
    print(f"means of {TOGETHER} networks at a time:        {means.min():.2f} to {means.max():.2f}")


def draw(study: SeedStudy, file: str) -> None:
    """Draw two strips over the same axis: accuracies above, the flower's probabilities below."""
    axes = new_axes(7.8, 3.6)
    # The golden ratio spreads the dots over a strip without a pattern and without chance.
    offsets = (np.arange(len(study)) * 0.618034 % 1 - 0.5) * 0.6
    correct = study.correct[:, FLOWER]
    values = study.probabilities[:, FLOWER]
    axes.plot(study.accuracies, 1 + offsets, "o", color="black", alpha=0.4, markersize=5)
    for chosen, marker, colour, meaning in (
        (correct, "o", BLUE, "calls it setosa"),
        (~correct, "x", VERMILLION, "calls it another"),
    ):
        axes.plot(
            values[chosen], offsets[chosen], marker, color=colour, markersize=5, label=meaning
        )
    rows = int(study.held_out.sum())
    axes.set_yticks([1, 0], [f"accuracy on\n{rows} flowers", "p(setosa) of\none setosa"])
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("accuracy (above), probability (below)")
    finish(
        axes,
        f"{len(study)} networks on the same rows, a mark for each:",
        "accuracies nearly agree, the probability of one flower does not",
    )
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(1, 0))
    save(axes, file)


def main() -> None:
    """Print the claim and the numbers; save the picture."""
    isolate()
    print("Claim: the random start hardly moves the accuracy, but it moves a probability a lot.")
    rows = [*csv.DictReader(IRIS.read_text(encoding="utf-8").splitlines())]
    table = Table.from_columns({new: [row[old] for row in rows] for old, new in NAMES.items()})
    encoder = Encoder.fit(table, "iris")
    study = study_seeds(encoder, table, SETTINGS)
    petal, sepal = (table[name].numbers for name in ("petal_width", "sepal_width"))
    assert petal is not None
    assert sepal is not None
    print(f"{len(study)} networks 2-2-3 on petal width and sepal width of iris, one split.")
    print(
        f"The flower: row {FLOWER + 1}, petal width {petal[FLOWER]}, sepal width {sepal[FLOWER]},"
    )
    print(f"a {study.class_names[study.labels[FLOWER]]}, one of those that no network trained on.")
    show_accuracies(study)
    show_probabilities(study.probabilities[:, FLOWER])
    says = dict(zip(study.class_names, study.prediction_counts[FLOWER].tolist(), strict=True))
    print(f"so the networks call it: {', '.join(f'{name} {n}' for name, n in says.items())}")
    dead = study.hidden_units - study.live_units
    print(f"networks with a dead hidden unit (never above 0): {np.count_nonzero(dead)}")
    print("\nTherefore minnet trains several networks, predicts their mean, and prints the")
    print("spread beside every probability.")
    draw(study, "how_far_to_trust_a_probability.png")
    print("wrote how_far_to_trust_a_probability.png")


if __name__ == "__main__":
    main()
