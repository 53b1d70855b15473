"""Runs every example; each must print its claim and numbers that prove it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PICTURES = {
    "worked_example": True,
    "argmax_cannot_train": False,
    "cross_entropy_or_squared_residuals": True,
    "how_far_to_trust_a_probability": True,
    "your_own_layer": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples run: far from the repository, so that they find their data themselves."""
    return tmp_path_factory.mktemp("examples")


def printed_by(name: str, folder: Path) -> str:
    ending = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert (ending.returncode, ending.stderr) == (0, "")
    assert ending.stdout.startswith("Claim: ")
    assert (folder / f"{name}.png").exists() == PICTURES[name]
    assert max(map(len, ending.stdout.splitlines())) <= 100
    return ending.stdout


@pytest.fixture(scope="module")
def worked_example(folder: Path) -> str:
    return printed_by("worked_example", folder)


def numbers_of(printed: str, beginning: str) -> list[float]:
    """The numbers that end the one line with this beginning."""
    (line,) = (line for line in printed.splitlines() if line.strip().startswith(beginning))
    return [float(number) for number in line.strip().removeprefix(beginning).split()]


def accuracies_of(printed: str, beginning: str) -> list[list[float]]:
    """The accuracies in each line with this beginning, without the probability before them."""
    lines = [line for line in printed.splitlines() if line.startswith(beginning)]
    return [[float(number) for number in line.split()[2:]] for line in lines]


def about(*numbers: float) -> object:
    """Equal to within one in the fourth decimal, as printed."""
    return pytest.approx(list(numbers), abs=1.01e-4)


def test_every_example_is_run_here_and_listed_in_their_readme() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert scripts == {f"{name}.py" for name in PICTURES} | {"from_scratch.py"}  # has its own tests
    assert set(re.findall(r"^\| \[(.*?)\]\(\1\)", readme, re.MULTILINE)) == scripts


def test_worked_example_prints_the_exact_number_beside_each_published_one(
    worked_example: str,
) -> None:
    for beginning, published, star, exact in (
        ("hidden units after ReLU", "2.2 1.1", " ", [2.2, 1.1]),
        ("raw outputs  ", "1.43 -0.4 0.23", " ", [1.43, -0.44, 0.23]),
        ("softmax of the raw outputs", "0.69 0.10 0.21", "*", [0.6871, 0.1059, 0.2070]),
        ("argmax of the raw outputs", "1 0 0", " ", [1, 0, 0]),
        ("raw outputs of the versicolor row", "0.09", " ", [0.0898, 0.8632, 0.1042]),
        ("b3 = 0: p(observed)", "0.57", " ", [0.5677, 0.5761, 0.5182]),
        ("b3 = 0: cross-entropy, -ln p", "0.56 0.54 0.65", "*", [0.5662, 0.5514, 0.6573]),
        ("b3 = 0: their sum", "1.75", "*", [1.7750]),
        ("b3 = -2: p(observed)", "0.15 0.71 0.65", " ", [0.1509, 0.7054, 0.6533]),
        ("b3 = -2: cross-entropy, -ln p", "1.89 0.35 0.43", " ", [1.8913, 0.3490, 0.4256]),
        ("b3 = -2: their sum", "2.67", " ", [2.6659]),
        ("slope at b3 = -2", "-0.77", " ", [-0.7732]),
        ("b3 after step 1: -2 - 1 x slope", "-1.23", " ", [-1.2268]),
    ):
        (line,) = (text for text in worked_example.splitlines() if text.startswith(beginning))
        words = line.removeprefix(beginning).split(f"{published} {star}")
        assert len(words) == 2, line
        assert [float(number) for number in words[1].split()] == about(*exact), line


def test_worked_example_prints_slopes_and_both_bias_lessons(worked_example: str) -> None:
    assert "of 15 parameters" in worked_example
    assert numbers_of(worked_example, "softmax of exactly 1.43 -0.4 0.23") == about(
        0.6842, 0.1098, 0.2061
    )
    slopes = numbers_of(worked_example, "gradient of p(setosa) w.r.t. raw outputs")
    assert slopes == about(0.2150, -0.0728, -0.1422)
    assert numbers_of(worked_example, "gradient of its 1 w.r.t. raw outputs") == [0, 0, 0]
    sums = re.findall(r"^  b3 +(\S+)   sum (\S+)$", worked_example, re.MULTILINE)
    by_bias = {float(bias): float(total) for bias, total in sums}
    assert [by_bias[-2], by_bias[0]] == about(2.6659, 1.7750)
    assert min(by_bias.values()) == by_bias[0]
    assert numbers_of(worked_example, "b3 after steps 2, 3 and 4") == about(
        -0.6623, -0.3273, -0.1606
    )
    assert numbers_of(worked_example, "b3 after step 40") == about(-0.0317)
    assert numbers_of(worked_example, "the sum of cross-entropies there") == about(1.7747)


def test_worked_example_shows_that_the_virginica_row_is_blocked(worked_example: str) -> None:
    together, alone = worked_example.split("of the virginica row alone")
    assert "its hidden sums are  -0.5760  -0.5840, both below 0" in alone
    for beginning, slopes in (
        ("hidden layer, weights of input 1", [-0.7528, 1.4313]),
        ("hidden layer, weights of input 2", [-0.5410, 0.4105]),
        ("hidden layer, biases", [-1.4678, 1.3340]),
        ("last layer, weights of hidden unit 1", [-1.4643, 0.4965, 0.9678]),
        ("last layer, weights of hidden unit 2", [-0.6821, 0.2865, 0.3956]),
    ):
        assert numbers_of(together, beginning) == about(*slopes)
        assert not any(numbers_of(alone, beginning))
    assert numbers_of(together, "last layer, biases") == about(-0.7732, 0.3094, 0.4638)
    assert numbers_of(alone, "last layer, biases") == about(0.0351, 0.2595, -0.2946)


def test_a_network_does_not_move_through_argmax_and_learns_through_softmax(folder: Path) -> None:
    printed = printed_by("argmax_cannot_train", folder)
    argmax, softmax = printed.partition("through argmax\n")[2].split("through softmax\n")
    assert "gradient exactly 0 at every step: yes" in argmax
    assert numbers_of(argmax, "largest change of any parameter:") == [0]
    assert numbers_of(argmax, "300 ") == numbers_of(argmax, "0 ")
    assert "gradient exactly 0 at every step: no" in softmax
    assert numbers_of(softmax, "largest change of any parameter:")[0] > 0.1
    loss, accuracy, steepest = numbers_of(softmax, "300 ")
    assert loss < 0.1
    assert accuracy > 0.95 > numbers_of(softmax, "0 ")[1]
    assert 0 < steepest < numbers_of(softmax, "0 ")[2]
    assert "every slope of argmax is 0" in printed


def test_squared_residuals_let_go_of_what_is_badly_wrong(folder: Path) -> None:
    printed = printed_by("cross_entropy_or_squared_residuals", folder)
    # p - 1 and -4 p (1 - p)^2; -ln p and 2 (1 - p)^2
    assert numbers_of(printed, "0.0001 ") == about(9.2103, -0.9999, 1.9996, -0.0004)
    assert numbers_of(printed, "0.5000 ") == about(0.6931, -0.5, 0.5, -0.5)
    ordinary, wrong, adam = accuracies_of(printed, "cross-entropy ")
    ordinary_residuals, wrong_residuals, adam_residuals = accuracies_of(
        printed, "squared-residuals "
    )
    for accuracies in (ordinary, ordinary_residuals, adam, adam_residuals, wrong):
        assert accuracies[-1] > 0.9
    # Of the last two columns the first is epoch 30.
    assert wrong[-2] > 0.9
    assert wrong_residuals[-2] < 0.5


def test_equally_accurate_networks_give_one_flower_different_probabilities(folder: Path) -> None:
    printed = printed_by("how_far_to_trust_a_probability", folder)
    low, high = re.findall(r"all networks: (\S+) to (\S+)$", printed, re.M)[0]
    assert float(low) < 0.4
    assert float(high) > 0.9
    low, high = re.findall(r"middle 90 networks: (\d+) to (\d+) of 30$", printed, re.M)[0]
    assert 26 <= int(low) <= int(high) <= int(low) + 1
    groups = [line.split() for line in printed.splitlines() if re.match(r" +\d+ +\d+ ", line)]
    assert sum(int(networks) for _, networks, *_ in groups) == 100
    _, _, smallest, _, largest = max(groups, key=lambda group: int(group[1]))
    assert float(largest) - float(smallest) > 0.3
    low, high = re.findall(r"means of 8 .*: +(\S+) to (\S+)$", printed, re.M)[0]
    assert 0.1 < float(low) < float(high) - 0.1 < 0.9
    assert 2 <= numbers_of(printed, "networks with a dead hidden unit (never above 0):")[0]


def test_own_layer_passes_the_gradient_check_and_its_broken_copy_fails(folder: Path) -> None:
    printed = printed_by("your_own_layer", folder)
    assert re.search(r"^Tanh       correct  relative error \de-\d\d ", printed, re.M)
    assert re.search(r"^WrongTanh  WRONG ", printed, re.M)
    relu, tanh = re.findall(r"^(?:ReLU|Tanh) +([\d.]+) +([\d.]+) +([\d.]+) +(\d+)$", printed, re.M)
    assert float(relu[1]) > 0.9
    assert float(tanh[1]) > 0.9
    assert int(tanh[3]) < int(relu[3])
