"""What holds for every table and every model that can be made."""

from __future__ import annotations

import csv
import io
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from minnet import Model, Table, TrainingSettings
from minnet.data.cells import parse_number
from minnet.data.columns import NumericColumn
from minnet.data.table import read_csv
from minnet.errors import MinnetError, printable
from minnet.model.document import load, save
from tests.helpers import fit

QUICK = TrainingSettings(networks=2, hidden=(2,), epochs=1)
quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
letters = st.characters(codec="utf-8", exclude_characters="\0")
cells = (
    st.text(letters, max_size=6) | st.floats(allow_nan=False).map(str) | st.sampled_from(["", "NA"])
)
# What decides the delimiter, or what kind of file it is, stays out of the names.
plain_letters = st.characters(codec="utf-8", exclude_characters="\0\ufeff;\t\r\n{[<%")
names = st.text(plain_letters, min_size=1, max_size=6).filter(lambda name: name.strip() != "")


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[str]]:
    """Columns of any cells, of equal length, and a label at the end."""
    header = draw(st.lists(names, min_size=2, max_size=4, unique=True))
    rows = draw(st.integers(4, 12))
    columns = {name: draw(st.lists(cells, min_size=rows, max_size=rows)) for name in header[:-1]}
    return {**columns, header[-1]: [("a", "b", "é\n")[i % 3] for i in range(rows)]}


def written(columns: dict[str, list[str]]) -> bytes:
    """Write a table with Python's csv module, the white space around names protected by quotes."""
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerow(columns)
    writer = csv.writer(file)
    writer.writerows(zip(*columns.values(), strict=True))
    return file.getvalue().encode()


def trained(columns: dict[str, list[str]]) -> tuple[Model, Table]:
    """Train on a table, if it can be learned from."""
    table = Table.from_columns(columns)
    try:
        return fit(table, list(columns)[-1], QUICK), table
    except MinnetError:
        assume(False)
        raise


@quick
@given(tables(), st.randoms(use_true_random=False))
def test_order_of_columns_changes_no_answer(
    columns: dict[str, list[str]], chance: random.Random
) -> None:
    model, table = trained(columns)
    shuffled = chance.sample(list(columns), len(columns))
    other = Table.from_columns({name: columns[name] for name in shuffled})
    np.testing.assert_array_equal(model.encoder.transform(other), model.encoder.transform(table))
    np.testing.assert_array_equal(
        model.member_probabilities(other), model.member_probabilities(table)
    )


@quick
@given(tables())
def test_order_of_training_columns_changes_only_the_order_of_features(
    columns: dict[str, list[str]],
) -> None:
    model, _ = trained(columns)
    *features, label = columns
    other, _ = trained({name: columns[name] for name in [*reversed(features), label]})
    assert set(other.encoder.columns) == set(model.encoder.columns)
    assert other.encoder.class_names == model.encoder.class_names


@given(tables())
def test_file_and_memory_give_the_same_table(columns: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.csv")
        path.write_bytes(written(columns))
        try:
            table = read_csv(path)
        except MinnetError:
            # Names like 1.5 make the first line look like data, which has tests of its own.
            assume(all(parse_number(name) is None for name in columns))
            raise
    other = Table.from_columns(columns)
    assert list(table.columns) == list(other.columns)
    for name in columns:
        assert table[name].spellings == other[name].spellings
        np.testing.assert_array_equal(table[name].numbers, other[name].numbers)
        np.testing.assert_array_equal(table[name].codes, other[name].codes)


@quick
@given(tables())
def test_saved_model_answers_as_before(columns: dict[str, list[str]]) -> None:
    model, table = trained(columns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        save(model, path)
        data = path.read_bytes()
        again = load(path)
        save(again, path)
        assert path.read_bytes() == data
    assert again.encoder == model.encoder
    np.testing.assert_array_equal(
        again.member_probabilities(table), model.member_probabilities(table)
    )


@quick
@given(tables(), st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3))
def test_any_finite_number_gets_probabilities(
    columns: dict[str, list[str]], numbers: list[float]
) -> None:
    model, _ = trained(columns)
    rows = {
        column.name: numbers if isinstance(column, NumericColumn) else ["", "new", "a"]
        for column in model.encoder.columns
    }
    probabilities = model.member_probabilities(Table.from_columns(rows))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1)


@given(st.text())
def test_printable_text_is_printable_and_what_was_printable_stays(text: str) -> None:
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text


class ModelOnDisk(RuleBasedStateMachine):
    """A model file is always the last one saved, whatever was tried in between."""

    models = Bundle("models")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "model.json"
        self.expected: bytes | None = None

    @rule(target=models, seed=st.integers(0, 3), rows=st.integers(6, 9))
    def train(self, seed: int, rows: int) -> Model:
        columns = {"x": list(range(rows)), "y": [i % 2 for i in range(rows)]}
        own = TrainingSettings(networks=1, hidden=(), epochs=1, seed=seed)
        return fit(Table.from_columns(columns), "y", own)

    @rule(model=models)
    def save(self, model: Model) -> None:
        save(model, self.path)
        self.expected = self.path.read_bytes()
        assert model.settings == load(self.path).settings

    @rule(model=models)
    def save_through_a_link(self, model: Model) -> None:
        link = self.folder / "link"
        link.symlink_to("model.json")
        save(model, link)
        assert link.is_symlink()
        link.unlink()
        self.expected = self.path.read_bytes()

    @rule(model=models)
    def fail_to_save(self, model: Model) -> None:
        for place in (self.folder, self.folder / "none" / "model.json"):
            try:
                save(model, place)
            except MinnetError:
                continue
            raise AssertionError(f"{place} was written")

    @rule(bit=st.integers(0, 7), where=st.floats(0, 1, exclude_max=True))
    def load_a_damaged_copy(self, bit: int, where: float) -> None:
        if self.expected is None:
            return
        data = bytearray(self.expected)
        data[int(where * len(data))] ^= 1 << bit
        copy = self.folder / "copy.json"
        copy.write_bytes(data)
        try:
            save(load(copy), copy)
            assert copy.read_bytes() == self.expected
        except MinnetError:
            pass
        finally:
            copy.unlink()

    @invariant()
    def model_is_the_last_one_saved(self) -> None:
        files = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        assert files == ({} if self.expected is None else {"model.json": self.expected})

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


TestModelOnDisk = ModelOnDisk.TestCase
TestModelOnDisk.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)
