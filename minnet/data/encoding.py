"""What training and evaluation take from a table: features, labels, and what tells rows apart.

From a table to what the network takes: a feature matrix and integer labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Any

import numpy as np

from minnet.arguments import as_name, as_names, as_truth
from minnet.arrays import Array, BoolArray, IntArray
from minnet.data import cells
from minnet.data.columns import (
    EVERY_ROW,
    DateColumn,
    FeatureColumn,
    NumericColumn,
    PlainColumn,
    TableSummary,
    codes_of,
    plain_columns,
    slices_of,
    summarize,
)
from minnet.data.keys import Keys, cell_keys, mixed, occurrences, order_of, row_keys, with_labels
from minnet.data.table import Data, Table, as_table
from minnet.errors import DataError, ModelError, SettingsError, plural, unknown_name


@dataclass(frozen=True, eq=False)
class Examples:
    """The labelled rows of a table, as training and evaluation take them.

    Ordered by content, label and exact value: the same rows, in whatever order a file has them,
    are the same examples.

    Attributes
    ----------
    features
        `(labelled, features)`, float64, NaN where missing.
    labels
        Integer labels, `(labelled,)`.
    rows
        Which rows of the table these are, counted from 0, `(labelled,)`.
    contents, wholes
        Keys of the features, `(labelled,)`, by which a row is known again; see
        `minnet.data.keys.Keys`. The contents ascend.
    occurrences
        How many rows with equal features and label come before, `(labelled,)`.
    groups
        Key of each row's cell in the group column, `(labelled,)`; `None` without one.
    weights
        How much each row counts, above 0, `(labelled,)`; `None` counts all alike.
    is_coarse
        Whether many rows repeat others, and no column has more different cells than a tenth of the
        rows: then new rows equal known ones by accident.
    """

    features: Array
    labels: IntArray
    rows: IntArray
    contents: IntArray
    wholes: IntArray
    occurrences: IntArray
    groups: IntArray | None = None
    weights: Array | None = None
    is_coarse: bool = False

    @property
    def digest(self) -> str:
        """Tells these features, labels and groups from all others, in hex."""
        digest = hashlib.sha256(repr(self.features.shape).encode())
        for values in (self.features, self.labels, self.groups, self.weights):
            if values is not None:
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    @property
    def repeats(self) -> int:
        """How many rows repeat others."""
        return int(np.count_nonzero(self.occurrences))

    def select(self, rows: IntArray) -> Examples:
        """Take some of the examples, by their indices."""
        arrays: dict[str, Any] = {
            name: array[rows] for name, array in vars(self).items() if isinstance(array, np.ndarray)
        }
        return replace(self, **arrays)

    def class_counts(self, classes: int) -> IntArray:
        """Count the rows of each class, `(classes,)`."""
        return np.bincount(self.labels, minlength=classes)

    def class_weights(self, classes: int) -> Array:
        """Sum up the weights of the rows of each class, `(classes,)`."""
        return np.bincount(self.labels, self.weights, classes) * 1.0

    def __len__(self) -> int:
        """How many labelled rows."""
        return len(self.labels)

    def __repr__(self) -> str:
        return (
            f"<Examples: {plural(len(self), 'row')}, {plural(self.features.shape[1], 'feature')}>"
        )


@dataclass(frozen=True)
class Roles:
    """What the columns of a training table are for, and whether equal rows count once.

    Attributes
    ----------
    target
        Name of the label column; `None` for the last column that has a name.
    ignore
        Names of columns to leave out.
    group
        Name of a column whose equal cells keep rows in one fold; empty for none.
    group_feature
        Whether that column is a feature as well.
    drop_repeats
        Whether rows that repeat others are left out.
    categorical
        Names of columns whose numbers or dates are categories.
    weights
        Name of a column that says how much each row counts, no feature; empty for none. A row of
        weight 0 is left out before anything is learned.

    Names may be numbers, as frames have them, `ignore` and `categorical` a single one, and `None`
    is none.

    Raises
    ------
    SettingsError
        If these contradict each other.
    """

    target: str | None = None
    ignore: Collection[str] = ()
    group: str = ""
    group_feature: bool = False
    drop_repeats: bool = False
    categorical: Collection[str] = ()
    weights: str = ""

    def __post_init__(self) -> None:
        """Make plain what was given, so that whatever is made can be saved and loaded."""
        vars(self).update(
            target=None if self.target is None else as_name("target", self.target),
            ignore=as_names(self.ignore),
            group=as_name("group", self.group),
            group_feature=as_truth("group_feature", self.group_feature),
            drop_repeats=as_truth("drop_repeats", self.drop_repeats),
            categorical=as_names(self.categorical),
            weights=as_name("weights", self.weights),
        )

    @property
    def form(self) -> cells.TableFormat:
        """How a table is read to learn from it: its labels and categories as text."""
        target = () if self.target is None else (self.target,)
        return cells.TableFormat((*target, *self.categorical))

    def target_among(self, source: str, names: Collection[str]) -> str:
        """Name of the label column in a table that has these columns.

        Raises
        ------
        SettingsError
            If it lacks a column that was named, or one cannot be two things.
        """
        named = [name for name in names if not cells.is_index(name)] or [*names]
        target = named[-1] if self.target is None else self.target
        if self.group_feature and not self.group:
            raise SettingsError("there is no group column to be a feature")
        roles = {
            "the target": (target,),
            "ignored": self.ignore,
            "the weights": as_names(self.weights or None),
            "the group": as_names(self.group or None),
            "categorical": self.categorical,
        }
        for name in chain.from_iterable(roles.values()):
            if name not in names:
                raise SettingsError(unknown_name(source, "column", name, names))
        may_be_both = ("the group", "categorical" if self.group_feature else "ignored")
        for one, other in combinations(roles, 2):
            both = [name for name in roles[one] if name in roles[other]]
            if both and not {one, other} <= {*may_be_both}:
                raise SettingsError(f"column {both[0]!r} is {one}: it cannot be {other}")
        return target


FEWEST_REPEATED, COARSE = 0.1, 10
"""A table is coarse if a tenth of its rows repeat others, and its columns have few values."""


@dataclass(frozen=True)
class Encoder:
    """Knows the columns, the categories and the classes of the table a model was trained on.

    Attributes
    ----------
    columns
        The feature columns, in the order of the training table.
    target
        Name of the label column.
    class_names
        Verbatim, in natural order: `2` before `10`.
    unnamed_columns
        How many columns the training file had, if it had no header; else 0.
    group
        Name of the column whose equal cells keep rows in one fold; empty for none. A feature only
        if it is among `columns`.
    drop_repeats
        Whether rows that repeat others are no examples: they share the key of the first of them.
    weights
        Name of the column that says how much each row counts; empty for none. Without it, all rows
        of a table count alike.
    cell_format
        How the cells of the training file were to be read.
    """

    columns: tuple[FeatureColumn, ...]
    target: str
    class_names: tuple[str, ...]
    unnamed_columns: int = 0
    group: str = ""
    drop_repeats: bool = False
    weights: str = ""
    cell_format: cells.CellFormat = cells.USUAL

    def __post_init__(self) -> None:
        """Check that columns and classes can be told apart."""
        names = [self.target, *(column.name for column in self.columns)]
        plain = [self.target, *(column.name for column in self.plain_columns)]
        different = len(set(names)) == len(names) and len(set(plain)) == len(plain)
        if not different or not self.columns or self.target == self.group != "":
            raise ModelError("its column names are not all different")
        if len(set(self.class_names)) != len(self.class_names) or len(self.class_names) < 2:
            raise ModelError("its class names are not two or more different ones")
        if not cells.is_unicode("".join(self.class_names)):
            raise ModelError("a class name is not Unicode text")
        count = self.unnamed_columns
        if count and not all(
            cells.is_default_name(name, count) for name in (*names, self.group) if name
        ):
            raise ModelError("its columns are not those of a file without a header")

    @classmethod
    def fit(cls, table: Table, *roles: Any, **named_roles: Any) -> Encoder:
        """Learn from a whole training table; see `from_summary`, and `Roles` for the others."""
        made = Roles(*roles, **named_roles)
        return cls.from_summary(summarize(table, made.ignore), made)

    @classmethod
    def from_summary(cls, summary: TableSummary, roles: Roles) -> Encoder:
        """Learn columns and classes from the summary of a training table, whole or in parts.

        Raises
        ------
        DataError
            If the table cannot be learned from.
        SettingsError
            If a column that was named does not exist.
        """
        source, group = summary.source, roles.group
        if len(summary.columns) == 1:
            raise DataError(
                f"{source}: only one column, {min(summary.columns)!r}: are cells separated by "
                "commas, semicolons, tabs, bars or blanks?"
            )
        target = roles.target_among(source, summary.columns)
        left_out = {target, *roles.ignore, *filter(None, [roles.weights])}
        if group and not roles.group_feature:
            left_out.add(group)
        if roles.weights and not summary.rows:
            raise DataError(f"{source}: no row has a weight above 0 in column {roles.weights!r}")
        class_names = summary.class_names(target)
        columns = [
            summary[name].describe(as_categories=name in roles.categorical)
            for name, column in summary.columns.items()
            if name not in left_out and not cells.is_index(name)
            if column is not None and column.missing < column.rows
        ]
        if not columns:
            raise DataError(f"{source}: no column to learn from besides the target {target!r}")
        return cls(
            columns=tuple(columns),
            target=target,
            class_names=tuple(class_names),
            unnamed_columns=0 if summary.has_header else len(summary.columns),
            group=group,
            drop_repeats=roles.drop_repeats,
            weights=roles.weights,
            cell_format=summary.cell_format,
        )

    def __repr__(self) -> str:
        return f"<Encoder: {plural(len(self.columns), 'column')}, target {self.target!r}>"

    @property
    def features(self) -> list[str]:
        """Names of all features: `petal_width`, `island = Dream`, `sex is missing`."""
        return [feature for column in self.plain_columns for feature in column.features]

    @property
    def plain_columns(self) -> list[PlainColumn]:
        """The columns that make the features: for one of dates, those that are derived of it."""
        return [plain for column in self.columns for plain in plain_columns(column)]

    def derive(self, table: Table) -> Table:
        """Add to a table the columns that are derived of its dates, by which features are made.

        Raises
        ------
        DataError
            If a cell is no date where training had dates.
        """
        for column in self.columns:
            if isinstance(column, DateColumn):
                table = replace(table, columns=table.columns | column.derive(table))
        return table

    @property
    def slices(self) -> dict[str, slice]:
        """Which features each of `plain_columns` has, by its name."""
        return slices_of(self.plain_columns)

    @property
    def scaled(self) -> BoolArray:
        """`(features,)`: which features are to be standardised (numbers, not 0/1 indicators)."""
        return np.equal(self.fewest_rows, 0)

    @property
    def fewest_rows(self) -> IntArray:
        """In how many rows a network has to see a 0/1 feature to know it, `(features,)`.

        0 of a number. Which categories are kept depends on rows that a network holds out. So it
        knows a category only if its own rows alone would have it kept: they hold more of it than
        all rows hold of the most frequent one that was left out. Of a flag "is missing", it takes
        two rows to learn more than that one row's class.
        """
        return np.array([rows for one in self.plain_columns for rows in one.features.values()])

    @property
    def is_boolean(self) -> BoolArray:
        """`(features,)`: which features are numbers that stand for false and true."""
        columns = self.plain_columns
        flags = [getattr(column, "is_boolean", False) for column in columns]
        return np.repeat(flags, [len(column.features) for column in columns]) & self.scaled

    @property
    def form(self) -> cells.TableFormat:
        """How another table is read in the form that the training table had.

        Numbers may have the other decimal mark; a file without a header is named likewise.
        """
        numbers = {one.name for one in self.columns if isinstance(one, NumericColumn)}
        text = {one.name for one in self.columns} - numbers
        cell_format = self.cell_format
        if cell_format.decimal == ",":
            cell_format = replace(cell_format, decimal=".,")
        naming = self.names_without_header if self.unnamed_columns else None
        return cells.TableFormat(text | {self.target}, numbers, cell_format, naming)

    def table(self, data: Data) -> Table:
        """Read data in the form the training table had; see `as_table`."""
        return as_table(data, self.form)

    def transform(self, table: Table, rows: slice | IntArray = EVERY_ROW) -> Array:
        """Features of some rows by column *name*, `(rows, features)`, float64, NaN where missing.

        Raises
        ------
        DataError
            If a column is missing, or holds text where training had numbers.
        """
        features = np.empty((len(table.lines[rows]), len(self.features)))
        table = self.derive(table)
        for column, own in zip(self.plain_columns, self.slices.values(), strict=True):
            column.fill(features[:, own], table, rows)
        return features

    def learned_from(self, examples: Examples) -> Examples:
        """Leave out rows that repeat others, if the model learns from one of each."""
        if not self.drop_repeats:
            return examples
        return examples.select(np.flatnonzero(examples.occurrences == 0))

    def examples(self, table: Table, *, refuse_unknown: bool = True) -> Examples:
        """Features and labels of the rows that have a label.

        Parameters
        ----------
        refuse_unknown
            Whether a class that was not there in training is refused; else its rows are left out.

        Raises
        ------
        DataError
            If there is none, or the table does not fit.
        """
        is_weighted = cells.find_name(self.weights, table.columns) is not None
        weights = table.weights(self.weights) if self.weights and is_weighted else None
        counted = np.ones(len(table), np.bool_) if weights is None else weights > 0
        labels = self.labels(table, refused=counted & refuse_unknown)
        rows = np.flatnonzero((labels >= 0) & counted)
        if not len(rows):
            what = f"a label in column {self.target!r}"
            if not counted.any() and len(table):
                what = f"a weight above 0 in column {self.weights!r}"
            raise DataError(f"{table.source}: no row has {what}")
        # Features after keys, and the keys of one column at a time: that needs the least memory.
        keys = Keys(*(part[rows] for part in self.keys(table)))
        groups = None
        if self.group:  # equal rows of two groups are no copies
            groups = cell_keys(table[self.group]).exact[rows]
            keys = keys._replace(exact=mixed(keys.exact + groups))
        # So that no order of theirs matters.
        order = order_of(keys.contents, labels[rows], keys.wholes, keys.exact)
        contents, wholes, exact = (part[order] for part in keys)
        rows = rows[order]
        repeats = occurrences(with_labels(exact, labels[rows]))
        return Examples(
            features=self.transform(table, rows),
            labels=labels[rows],
            rows=rows,
            contents=contents,
            wholes=wholes,
            occurrences=repeats,
            groups=None if groups is None else groups[order],
            weights=None if weights is None else weights[rows],
            is_coarse=bool(np.count_nonzero(repeats) > FEWEST_REPEATED * len(rows))
            and all(table[one.name].distinct <= len(rows) / COARSE for one in self.columns),
        )

    def keys(self, table: Table) -> Keys:
        """Tell what each row is known by: its features, `(rows,)`."""
        return row_keys(cell_keys(table[column.name]) for column in self.columns)

    def labels(self, table: Table, refused: BoolArray | bool = True) -> IntArray:
        """Integer labels, `(rows,)`; -1 where the label is missing, or unknown and not refused.

        Parameters
        ----------
        refused
            In which rows a class that was not there in training is refused, `(rows,)`, or in all.

        Raises
        ------
        DataError
            If there is no label column, or a class that was not there in training.
        """
        column = table[self.target]
        labels = codes_of(column, self.class_names)
        unknown = np.flatnonzero((labels < 0) & ~column.missing & refused)
        if len(unknown):
            cell = column.spellings[column.codes[unknown[0]]]  # type: ignore[index]
            raise DataError(
                f"{table.at(unknown[0])}: column {self.target!r}: "
                f"{unknown_name('the model', 'class', cell, self.class_names)}"
            )
        return labels

    def cautions(self, table: Table) -> list[list[str]]:
        """For each row, why its prediction deserves caution: `outside training range: x`."""
        reasons: dict[int, dict[str, list[str]]] = {}
        table = self.derive(table)
        for column in self.plain_columns:
            missing = table[column.name].missing & (not column.has_missing)
            never = "missing, but never missing in training", missing
            for reason, rows in (column.caution(table), never):
                for row in np.flatnonzero(rows).tolist():
                    reasons.setdefault(row, {}).setdefault(reason, []).append(column.name)
        cautions: list[list[str]] = [[] for _ in range(len(table))]
        for row, names in reasons.items():
            cautions[row] = [f"{reason}: {', '.join(own)}" for reason, own in names.items()]
        return cautions

    def unseen(self, table: Table) -> list[str]:
        """Say of which columns most cells hold categories that training did not have, and which."""
        table = self.derive(table)
        columns = [one for one in self.plain_columns if not isinstance(one, NumericColumn)]
        return [note for note in (column.unseen(table) for column in columns) if note]

    def names_without_header(self, row: Sequence[str]) -> list[str]:
        """Column names for a file without a header, label or no label, given its first row.

        They are that row itself if it has them all, as in a file that predict wrote.
        """
        if {column.name for column in self.columns} <= set(row):
            return [*row]
        names = cells.default_names([*row, self.target])
        if len(row) < self.unnamed_columns:
            names = [name for name in names if name != self.target]
        return names[: len(row)]
