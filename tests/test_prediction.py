from __future__ import annotations

import numpy as np
import pytest

from minnet import Model, Table, TrainingSettings, read_csv
from minnet.data.encoding import Encoder
from minnet.model.model import predict
from minnet.training.settings import History
from tests.helpers import IRIS, fit, predicted


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(read_csv(IRIS), "species", TrainingSettings(epochs=5))


def test_representations_agree_in_number(model: Model) -> None:
    row = Table.from_columns({name: ["1"] for name in model.encoder.features})
    assert repr(predict(model, row)).startswith("<Predictions: 1 row, ")
    one = Table.from_columns({"x": ["1", "2", "3"], "y": ["a", "b", "a"]})
    encoder = Encoder.fit(one, "y")
    assert repr(encoder) == "<Encoder: 1 column, target 'y'>"
    assert "3 rows, 1 feature>" in repr(encoder.examples(one))
    figures = np.zeros((1, 1), np.float32)
    history = History(figures, figures, figures, figures, np.array([1]))
    assert repr(history) == "<History: 1 epoch of 1 network, kept epoch 1>"


def test_answers_are_the_argmax_of_the_mean_over_networks(model: Model) -> None:
    table = read_csv(IRIS)
    answers = predict(model, table)
    assert answers.probabilities == pytest.approx(model.member_probabilities(table).mean(axis=0))
    names = [model.encoder.class_names[label] for label in answers.labels]
    assert names == predicted(model, table)


def test_spread_is_the_range_of_the_answers_probability_over_networks(model: Model) -> None:
    table = read_csv(IRIS)
    each, answers = model.member_probabilities(table), predict(model, table)
    for row in (0, 70, 106):
        of_answer = each[:, row, answers.labels[row]]
        assert answers.spread[row] == pytest.approx(of_answer.max() - of_answer.min())


def test_networks_disagree_exactly_where_one_of_them_would_answer_otherwise(model: Model) -> None:
    table = read_csv(IRIS)
    each, answers = model.member_probabilities(table), predict(model, table)
    torn = (each.argmax(axis=-1) != answers.labels).any(axis=0)
    assert torn.any()
    told = np.array(["networks disagree" in cautions for cautions in answers.cautions])
    assert (told == torn).all()
