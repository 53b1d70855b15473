from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier

from minnet.network.losses import LOSSES, softmax
from minnet.network.network import Network
from minnet.network.optimizers import SGD
from tests.differences import mean_and_gradients

CROSS_ENTROPY, SQUARED_RESIDUALS = LOSSES.values()


@pytest.mark.parametrize("hidden", [(8,), (6, 5)])
def test_50_steps_of_gradient_descent_agree_with_scikit_learn(hidden: tuple[int, ...]) -> None:
    features, labels = load_iris(return_X_y=True)
    features -= features.mean(axis=0)
    network = Network.random([4, *hidden, 3], [np.random.default_rng(0)], np.float64)
    optimizer = SGD(0.2, momentum=0)
    peer = MLPClassifier(
        hidden,
        solver="sgd",
        alpha=0,
        batch_size=len(features),
        learning_rate_init=0.2,
        momentum=0,
        shuffle=False,
    )
    peer.partial_fit(features, labels, classes=[0, 1, 2])  # makes the arrays that are filled here
    for layer, weights, biases in zip(
        network.layers[::2], peer.coefs_, peer.intercepts_, strict=True
    ):
        weights[...], biases[...] = (parameter.values.squeeze() for parameter in layer.parameters)
    losses = []
    for _ in range(50):
        peer.partial_fit(features, labels)
        loss, gradients = mean_and_gradients(
            CROSS_ENTROPY, network.forward(features[None]), labels[None]
        )
        network.backward(gradients)
        optimizer.step(network.values, network.gradients)
        losses.append(loss.item())
    np.testing.assert_allclose(losses, peer.loss_curve_[1:], rtol=1e-9)
    assert losses[-1] < losses[0] / 2
    probabilities = softmax(network.forward(features[None]))[0]
    np.testing.assert_allclose(probabilities, peer.predict_proba(features), atol=1e-9)
