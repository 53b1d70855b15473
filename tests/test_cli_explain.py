from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import minnet
from minnet.analysis.explanation import Explanation, explain
from minnet.analysis.trace import trace
from minnet.model.document import load, save
from minnet.network.layers import Dense
from minnet.network.network import Network
from minnet.report import as_text
from tests.helpers import IRIS, PENGUINS, fit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.helpers import Run


@dataclass(frozen=True)
class Shown:
    """A number as it is shown: anything that would be rounded to it."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Shown:
        value = float(text)
        if text in ("0", "1"):
            return cls.exact(text)
        half = 0.5 * 10.0 ** int(Decimal(text).as_tuple().exponent)
        return cls(value - half, value + half)

    @classmethod
    def exact(cls, text: str) -> Shown:
        return cls(float(text), float(text))

    def __add__(self, other: Shown) -> Shown:
        return Shown(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Shown) -> Shown:
        return Shown(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Shown) -> Shown:
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Shown(min(corners), max(corners))

    def __truediv__(self, other: Shown) -> Shown:
        assert other.low > 0
        return self * Shown(1 / other.high, 1 / other.low)

    def exp(self) -> Shown:
        return Shown(math.exp(self.low), math.exp(self.high))

    def relu(self) -> Shown:
        return Shown(max(self.low, 0), max(self.high, 0))

    def is_(self, other: Shown) -> bool:
        slack = 1e-9 * max(abs(self.low), abs(other.low), 1e-9)
        return self.low <= other.high + slack and other.low <= self.high + slack


def total(numbers: Iterable[Shown]) -> Shown:
    return sum(numbers, Shown(0, 0))


PRODUCT = re.compile(r"(\S+) x (\S+) = +(\S+)")
Columns = dict[str, dict[str, str]]


class Page:
    """What `minnet explain` printed, taken apart again."""

    def __init__(self, out: str) -> None:
        self.out = out
        self.sections = [section.splitlines() for section in out.strip().split("\n\n")]

    def section(self, start: str) -> list[str]:
        found = [section for section in self.sections if section[0].startswith(start)]
        assert len(found) == 1, (start, self.out)
        return found[0]

    def table(self, start: str) -> Columns:
        """Columns by name, cells by row; a section's tables one beside the other."""
        columns: Columns = {}
        names: list[str] = []
        for line in self.section(start)[1:]:
            products = [match[0] for match in PRODUCT.finditer(line)]
            label, *cells = re.split(" {2,}", line)
            cells = products or cells
            if line.startswith("   "):
                names = self.unique(cells)
                columns |= {name: {} for name in names if name not in columns}
            elif label and cells and names:
                cells = cells[: len(names)]  # a remark may follow
                for name, cell in zip(names[len(names) - len(cells) :], cells, strict=True):
                    columns[name][label] = cell
        return columns

    @staticmethod
    def unique(names: list[str]) -> list[str]:
        return [name + " 2" * names[:i].count(name) for i, name in enumerate(names)]

    @property
    def hidden_layers(self) -> int:
        return sum(section[0].startswith("hidden layer") for section in self.sections)


def numbers(cells: dict[str, str]) -> dict[str, Shown]:
    return {row: Shown.parse(cell) for row, cell in cells.items()}


def weighted_sum(column: dict[str, str], factors: dict[str, str]) -> Shown:
    """What a column of weights, and what is added below them, comes to."""
    rows = numbers(column)
    products = total(rows[row] * Shown.parse(factors[row]) for row in factors if row in rows)
    added = re.compile(r"bias|.* others add|.*, \d+ bins")
    others = [value for row, value in rows.items() if added.fullmatch(row)]
    return products + total(others)


def check_inputs(page: Page) -> tuple[dict[str, str], str]:
    """Check the bins, if there are any; all that goes into the first layer, and its title."""
    scaled = page.table("inputs")["scaled"]
    if not any(section[0].startswith("bins") for section in page.sections):
        return scaled, "scaled"
    table = page.table("bins")
    inputs = page.table("inputs")
    for row, cell in table["bin"].items():
        feature, _, _ = row.rpartition(" bin ")
        value, lower, upper = (
            Shown.parse(table[name][row]) for name in ("scaled", "lower", "upper")
        )
        assert value.is_(Shown.parse(scaled[feature]))
        mean, std = (Shown.parse(inputs[name][feature]) for name in ("mean", "std"))
        for limit, edge in zip(table["of values"][row].split(" to "), (lower, upper), strict=True):
            assert (mean + edge * std).is_(Shown.parse(limit))
        if float(table["lower"][row]) == float(table["upper"][row]):
            assert Shown.parse(cell).is_(Shown(0, 0))
            continue
        share = (value - lower) / (upper - lower)
        clipped = Shown(*(min(max(end, 0), 1) for end in (share.low, share.high)))
        height = Shown.parse(table["height"][row])
        assert ((clipped - Shown(0.5, 0.5)) * height).is_(Shown.parse(cell)), row
    return scaled | table["bin"], "input"


def check_forward(page: Page) -> None:
    inputs = page.table("inputs")
    for row, cell in inputs["value"].items():
        scaled = Shown.parse(inputs["scaled"][row])
        if cell == "missing":
            assert scaled.is_(Shown(0, 0))
            continue
        mean, std = (Shown.parse(inputs[name][row]) for name in ("mean", "std"))
        assert ((Shown.exact(cell) - mean) / std).is_(scaled), row
    coming, name = check_inputs(page)
    for layer in range(1, page.hidden_layers + 1):
        table = page.table(f"hidden layer {layer}")
        assert set(table[name].items()) <= set(coming.items())
        factors, coming = table.pop(name), {}
        for unit, column in table.items():
            sums, relu = Shown.parse(column.pop("sum")), Shown.parse(column["ReLU"])
            assert sums.relu().is_(relu)
            coming[unit] = column.pop("ReLU")
            assert weighted_sum(column, factors).is_(sums), (layer, unit)
        name = "ReLU"
    table = page.table("raw outputs")
    assert set(table[name].items()) <= set(coming.items())
    factors = table.pop(name)
    raw = {unit: column.pop("raw output") for unit, column in table.items()}
    for unit, column in table.items():
        assert weighted_sum(column, factors).is_(Shown.parse(raw[unit])), unit
    softmax = page.table("softmax")
    assert softmax["raw output"] == raw
    powers, probabilities = numbers(softmax["e^raw"]), numbers(softmax["softmax"])
    sum_of_powers, sum_of_probabilities = powers.pop("sum"), probabilities.pop("sum")
    for label, cell in raw.items():
        assert Shown.parse(cell).exp().is_(powers[label])
        assert (powers[label] / sum_of_powers).is_(probabilities[label])
    assert total(powers.values()).is_(sum_of_powers)
    assert total(probabilities.values()).is_(sum_of_probabilities)
    largest = max(raw, key=lambda label: float(raw[label]))
    argmax = {row: float(cell) for row, cell in softmax["argmax"].items()}
    assert argmax == dict.fromkeys(argmax, 0) | {largest: 1, "sum": 1}


def check_loss(page: Page, *, squared: bool = False) -> dict[str, str]:
    """Check the section on the loss; its gradient with respect to the raw outputs, as shown."""
    table = page.table("observed: ")
    softmax = page.table("softmax")["softmax"]
    title = page.section("observed: ")[0]
    found = re.fullmatch(r"observed: (.+), cross-entropy = -ln\((\S+)\) = (\S+)", title)
    assert found
    observed, p, entropy = found[1], Shown.parse(found[2]), Shown.parse(found[3])
    assert Shown(-math.log(p.high), -math.log(p.low)).is_(entropy)
    assert p.is_(Shown.parse(softmax[observed]))
    assert softmax.items() - table["softmax"].items() <= {
        (row, cell) for row, cell in softmax.items() if row == "sum" or row.endswith("others")
    }
    classes = numbers(table["softmax"])
    one_hot = {label: Shown.parse(cell) for label, cell in table["observed"].items()}
    assert [label for label, cell in table["observed"].items() if cell == "1"] == [observed]
    residuals = numbers(table["softmax - observed"])
    for label, probability in classes.items():
        assert (probability - one_hot[label]).is_(residuals[label])
        jacobian = Shown.parse(table["gradient of p"][label])
        assert (p * (one_hot[label] - probability)).is_(jacobian)
    assert set(table["of argmax"].values()) == {"0"}
    if not squared:
        return table["softmax - observed"]
    lines = "\n".join(page.section("observed: "))
    loss = re.search(r"\(softmax - observed\)\^2 = (\S+)", lines)
    centre = re.search(r"observed - (\S+)\),\n  where", lines)
    assert loss
    assert centre
    assert total(r * r for r in residuals.values()).is_(Shown.parse(loss[1]))
    assert total(residuals[k] * classes[k] for k in classes).is_(Shown.parse(centre[1]))
    for label, residual in residuals.items():
        gradient = Shown(2, 2) * classes[label] * (residual - Shown.parse(centre[1]))
        assert gradient.is_(Shown.parse(table["gradient of loss"][label]))
    return table["gradient of loss"]


def check_products(table: Columns, inputs: dict[str, str], gradients: dict[str, str]) -> None:
    """Every gradient is the product of an input and a gradient shown before."""
    assert set(table) <= set(gradients)
    for unit, column in table.items():
        assert column.pop("bias") == gradients[unit]
        for row, cell in column.items():
            found = PRODUCT.fullmatch(cell)
            assert found
            assert (found[1], found[2]) == (inputs[row], gradients[unit])
            assert (Shown.parse(found[1]) * Shown.parse(found[2])).is_(Shown.parse(found[3]))


def check_backward(page: Page, gradients: dict[str, str]) -> None:
    hidden = [page.table(f"hidden layer {k}") for k in range(1, page.hidden_layers + 1)]
    outputs = [
        {unit: column["ReLU"] for unit, column in layer.items() if "ReLU" in column}
        for layer in hidden
    ]
    inputs = [check_inputs(page)[0], *outputs]
    check_products(page.table("gradients of the last layer"), inputs[-1], gradients)
    for layer in range(len(hidden), 0, -1):
        table = page.table(f"back to hidden layer {layer}")
        factors = table.pop("gradient")
        for unit, factor in factors.items():
            assert factor == gradients[unit] or (
                gradients[unit] == "blocked" and float(factor) == 0
            )
        gradients = {unit: column.pop("after ReLU") for unit, column in table.items()}
        for unit, column in table.items():
            gradient = column.pop("gradient")
            assert weighted_sum(column, factors).is_(Shown.parse(gradient)), (layer, unit)
            fired = float(inputs[layer][unit]) > 0
            assert gradients[unit] == (gradient if fired else "blocked")
        passing = {unit: gradient for unit, gradient in gradients.items() if gradient != "blocked"}
        title = f"gradients of hidden layer {layer}"
        products = page.table(title)
        assert set(products) == set(passing)
        check_products(products, inputs[layer - 1], passing)
        named = " ".join(page.section(title)).partition("blocked by ReLU")[2]
        for unit in set(gradients) - set(passing):
            assert re.search(rf"\b{unit.replace(' ', ' +')}\b", named)


def check_step(page: Page) -> None:
    """Take the step again, with the weights and gradients shown, and run forward."""
    section = page.section("one step, on a copy")
    rate_cell = re.search(r"learning rate (\S+) x", section[1])
    assert rate_cell
    rate = Shown(float(rate_cell[1]), float(rate_cell[1]))
    of_inputs, title = check_inputs(page)
    units = numbers(of_inputs)
    for layer in range(1, page.hidden_layers + 2):
        is_last = layer == page.hidden_layers + 1
        weights = page.table("raw outputs" if is_last else f"hidden layer {layer}")
        place = "the last layer" if is_last else f"hidden layer {layer}"
        gradients = page.table(f"gradients of {place}")
        weights.pop("ReLU", None)
        weights.pop(title, None)
        after = {}
        for name, column in weights.items():
            rows = numbers(column)
            for row in (*units, "bias"):
                gradient = gradients[name][row].rpartition("= ")[2] if name in gradients else "0"
                rows[row] -= rate * Shown.parse(gradient)
            after[name] = total(rows[row] * value for row, value in units.items()) + rows["bias"]
        units = after if is_last else {unit: value.relu() for unit, value in after.items()}
    table = page.table("one step")
    for label, value in numbers(table["after the step"]).items():
        assert units[label].is_(value), label
    for raw, softmax in (("raw output", "softmax"), ("after the step", "after the step 2")):
        powers = {label: value.exp() for label, value in numbers(table[raw]).items()}
        for label, value in numbers(table[softmax]).items():
            assert (powers[label] / total(powers.values())).is_(value)


def check_networks(page: Page, networks: int) -> None:
    section = page.section(f"the same row through all {networks} networks")
    cells: list[str] = []
    for line in section:
        if line.startswith("p "):
            cells += line.split()[1:]
    each = [Shown.parse(cell) for cell in cells]
    found = re.search(
        r"smallest (\S+) \(network (\d+)\), largest (\S+) \(network (\d+)\)\nmean (\S+):",
        "\n".join(section),
    )
    assert found
    assert len(cells) == networks
    assert (found[1], cells[int(found[2]) - 1]) == (min(cells, key=float),) * 2
    assert (found[3], cells[int(found[4]) - 1]) == (max(cells, key=float),) * 2
    share = Shown(1 / networks, 1 / networks)
    assert (total(each) * share).is_(Shown.parse(found[5]))


MODELS: dict[str, dict[str, Any]] = {
    "no hidden layer": {"hidden": ()},
    "two units": {"hidden": (2,)},
    "two layers": {"hidden": (3, 2)},
    "three layers": {"hidden": (4, 3, 3)},
    "squared residuals": {"hidden": (3,), "loss": "squared-residuals", "learning_rate": 0.1},
    "bins": {"hidden": (3,), "bins": 3},
    "sharp bins": {"hidden": (3,), "bins": 3, "sharp_bins": True},
    "sure": {"hidden": (6,), "epochs": 60, "weight_decay": 0.0},
}


@pytest.fixture(scope="module", params=MODELS)
def small_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("models") / f"{request.param}.json"
    settings = {"networks": 2, "epochs": 12, "bins": 0} | MODELS[request.param]
    table = minnet.read_csv(PENGUINS)
    save(fit(table, "species", minnet.TrainingSettings(**settings)), path)
    return path


@pytest.mark.parametrize("row", [1, 4, 200, 272, 344])
def test_every_number_shown_follows_from_others_shown(
    run: Run, small_model: Path, row: int
) -> None:
    ending = run("explain", PENGUINS, "--row", row, "-m", small_model, "--all")
    assert (ending.code, ending.err) == (0, "")
    assert ending.widest <= 80
    page = Page(ending.out)
    check_forward(page)
    gradients = check_loss(page, squared="squared" in small_model.name)
    check_backward(page, gradients)
    check_step(page)
    check_networks(page, 2)


def test_one_other_is_not_several(run: Run) -> None:
    run("train", IRIS, "--hidden", 5, "--networks", 2, "--epochs", 2)
    out = run("explain", IRIS, "--row", 1).out
    assert "1 other adds" in out
    assert "1 others" not in out


@pytest.mark.parametrize("row", [1, 71, 107])
def test_every_number_of_the_strongest_units_follows_from_others_shown(
    with_iris_model: Run, row: int
) -> None:
    page = Page(with_iris_model("explain", IRIS, "--row", row).out)
    assert "28 others add" in page.out
    assert page.section("hidden layer 1")[0] == "hidden layer 1, 4 of 32"
    assert len([name for name in page.table("hidden layer 1") if name != "scaled"]) == 4
    check_forward(page)
    check_backward(page, check_loss(page))
    check_networks(page, 8)


def test_units_shown_are_those_that_matter_most(with_iris_model: Run) -> None:
    page = Page(with_iris_model("explain", IRIS, "--row", 107).out)
    everything = Page(with_iris_model("explain", IRIS, "--row", 107, "--all").out)
    table = everything.table("raw outputs")
    units = table.pop("ReLU")
    assert len(units) == 32

    def strength(unit: str) -> float:
        parts = [float(units[unit]) * float(column[unit]) for column in table.values()]
        return max(parts) - min(parts)

    strongest = sorted(units, key=strength)[-4:]
    assert set(page.table("raw outputs")["ReLU"]) == set(strongest)
    assert "others" not in everything.out
    assert "--all" not in everything.out


def test_row_of_the_training_file_goes_through_the_network_that_never_saw_it(
    with_iris_model: Run,
) -> None:
    out = with_iris_model("explain", IRIS, "--row", 107).out
    found = re.match(r"row 107, \S+iris.csv:108\nthrough network (\d) of 8: not trained", out)
    assert found
    assert f"not trained on this row: network {found[1]}\n" in out
    other = int(found[1]) % 8 + 1
    out = with_iris_model("explain", IRIS, "--row", 107, "--network", other).out
    assert f"through network {other} of 8: trained on this row" in out


def test_row_of_a_file_that_shares_no_row_with_the_training_file_says_so(
    with_iris_model: Run, tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text(IRIS.read_text().replace(".", ".04"))
    out = with_iris_model("explain", "new.csv", "--row", 2).out
    assert "through network 1 of 8: not known to be a row it was trained on" in out
    assert "not trained on this row" not in out
    assert "one step" in out


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("", "standard input has no column 'species'"),
        (",", "column 'species' is empty in this row"),
        (",tulip", "column 'species' says 'tulip', a class that was not there in training"),
    ],
)
def test_without_a_label_it_stops_after_argmax_and_says_why(
    with_iris_model: Run, ending: str, reason: str
) -> None:
    header = "petal_width,sepal_length,sepal_width,petal_length" + (",species" if ending else "")
    page = Page(
        with_iris_model("explain", "-", "--row", 1, stdin=f"{header}\n2.1,6,3,5{ending}\n").out
    )
    check_forward(page)
    check_networks(page, 8)
    assert page.section("no loss and no gradients")[1:] == [reason]
    assert "the predicted class" in page.out
    assert "gradients of" not in page.out
    assert "observed" not in page.out


def test_missing_cut_and_constant_cells_are_remarked(run: Run, write: Any) -> None:
    rows = "".join(f"{i % 7},{i},5,{'ab'[i % 2]}\n" for i in range(40))
    write("t.csv", f"x,y,same,class\n,1,5,a\n,2,5,b\n,3,5,a\n{rows}")
    write("new.csv", "x,y,same,class\n,1e6,7,a\n")
    run("train", "t.csv", "-q", "--epochs", 2)
    section = Page(run("explain", "new.csv", "--row", 1).out).section("inputs")
    remarks = {line.split("  ")[0]: line.rpartition("  ")[2] for line in section[3:]}
    assert remarks["x"] == "as the mean"
    assert remarks["y"] == "clipped to 10"
    assert remarks["same"] == "constant or rare"
    assert float(remarks["x is missing"]) == 1


def test_long_names_and_many_classes_stay_on_the_page(run: Run, write: Any) -> None:
    name = "a very long name of a column that\nsomebody gave it"
    lines = [f"{i % 30},{i},class number {i % 30} of thirty" for i in range(120)]
    write("t.csv", "\n".join([f'"{name}",y,label', *lines]))
    run("train", "t.csv", "-q", "--epochs", 20, "--networks", 2)
    out = run("explain", "t.csv", "--row", 7).out
    assert "20 others" in out
    page = Page(out)
    check_forward(page)
    check_backward(page, check_loss(page))
    assert max(map(len, out.splitlines())) <= 80


def test_single_network_has_no_others(run: Run) -> None:
    run("train", IRIS, "-q", "--networks", 1, "--epochs", 2, "--hidden", 2)
    assert "the model has no other networks to compare with" in run("explain", IRIS, "--row", 1).out


def test_json_gives_all_numbers_unrounded(run: Run, small_model: Path) -> None:
    document = json.loads(
        run("explain", PENGUINS, "--row", 4, "--network", 2, "--json", "-m", small_model).out
    )
    explanation = explain(load(small_model), minnet.read_csv(PENGUINS), 3, 1)
    lesson = explanation.trace.backward
    assert lesson is not None
    assert (document["row"], document["network"]) == (4, 2)
    assert document["place"].endswith("penguins.csv:5")
    assert document["values"][3] is None
    assert document["classes"] == ["Adelie", "Chinstrap", "Gentoo"]
    assert document["observed"] == "Adelie"
    assert document["raw_outputs"] == explanation.trace.raw_outputs.tolist()
    assert document["exponentials"] == np.exp(explanation.trace.raw_outputs).tolist()
    assert document["probabilities"] == explanation.trace.probabilities.tolist()
    assert document["backward"]["softmax_gradient"] == lesson.softmax_gradient.tolist()
    assert document["backward"]["loss_after"] == lesson.loss_after
    assert document["argmax_gradient"] == [0, 0, 0]
    for shown, layer in zip(document["layers"], explanation.trace.layers, strict=True):
        assert layer.gradients
        assert shown["weights"] == layer.weights.tolist()
        assert shown["gradients"]["weights"] == layer.gradients["weights"].tolist()
    others = document["all_networks"]
    of_label = [probabilities[0] for probabilities in others["probabilities"]]
    assert others["smallest"] == min(of_label)
    assert others["largest"] == max(of_label)
    assert others["mean"] == pytest.approx(sum(of_label) / 2)


def test_json_of_a_row_without_a_label_says_why(with_iris_model: Run) -> None:
    header = "petal_width,sepal_length,sepal_width,petal_length"
    out = with_iris_model("explain", "-", "--row", 1, "--json", stdin=f"{header}\n2,6,3,5\n").out
    document = json.loads(out)
    assert document["observed"] is document["backward"] is document["trained_on_row"] is None
    assert document["unlabelled"] == "standard input has no column 'species'"
    assert document["all_networks"]["class"] == document["predicted"] == "virginica"


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        ((IRIS, "--row", 151), 2, "iris.csv has 150, counted from 1"),
        ((IRIS, "--row", 3, "--network", 9), 2, "no network 9: the model has 8, counted from 1"),
    ],
)
def test_explain_says_in_one_line_what_is_wrong(
    with_iris_model: Run, options: tuple[object, ...], code: int, error: str
) -> None:
    ending = with_iris_model("explain", *options)
    assert ending.code == code
    assert error in ending.only_error


def explained_by_hand(weight: float, label: int) -> str:
    """Lay out what a network of one input of 1 and two opposite weights says."""
    traced = trace(
        Network([Dense(np.array([[[weight, -weight]]]), np.zeros((1, 1, 2)))]), np.ones(1), label
    )
    one, zero = np.ones(1), np.zeros(1)
    explanation = Explanation(
        source="t.csv",
        place="t.csv:2",
        row=0,
        network=0,
        trained_on_row=None,
        feature_names=["x"],
        class_names=["a", "b"],
        values=one,
        means=zero,
        stds=one,
        is_boolean=zero > 0,
        trace=traced,
        unlabelled="",
        all_probabilities=traced.probabilities[None],
        input_names=["x"],
        bins=None,
    )
    return as_text(explanation.report())


def test_sure_answer_shows_its_distance_from_1() -> None:
    # 1 / (1 + e^-14) is 1 - 0.000000831528
    page = Page(explained_by_hand(7.0, label=0))
    check_forward(page)
    check_loss(page)
    assert page.table("softmax")["softmax"] == {
        "a": "0.999999",
        "b": "8.31528e-07",
        "sum": "1.00000",
    }
    assert page.table("observed: ")["softmax - observed"] == {
        "a": "-8.315e-07",
        "b": "8.315e-07",
    }


def test_answer_sure_beyond_all_digits_is_shown_without_a_false_number() -> None:
    out = explained_by_hand(600.0, label=1)
    assert "e^(raw-600) / the sum of all" in out
    assert "cross-entropy = -ln(e^-1200) = 1200\n" in out
    assert not re.search(r"\b(nan|inf)\b", out)
