"""How an explanation reads on a terminal: the way back, from the loss to the gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minnet.cli import text
from minnet.cli.explain_page import blocks, decimals_of, fixed
from minnet.errors import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minnet.analysis.trace import BackwardTrace
    from minnet.arrays import IntArray
    from minnet.cli.explain_page import Page


def backward_sections(page: Page, backward: BackwardTrace) -> Iterator[Iterator[str]]:
    """Lines of each section, from the observed class to one gradient step."""
    by_raw_output = "gradient of the loss" if _is_squared(backward) else "(softmax - observed)"
    yield _loss(page, backward)
    *hidden, last = range(len(page.trace.layers))
    yield _last_gradients(page, last, by_raw_output)
    for level in reversed(hidden):
        above = by_raw_output if level + 1 == last else "gradient after ReLU"
        yield _gradients(page, level, above)
        yield _hidden_gradients(page, level)
    yield _step(page, backward)


def _is_squared(backward: BackwardTrace) -> bool:
    return backward.loss_name == "squared-residuals"


def _loss(page: Page, backward: BackwardTrace) -> Iterator[str]:
    """What is observed, the loss, and its gradient with respect to the raw outputs."""
    probabilities = page.trace.probabilities
    observed = page.names[-1][backward.label]
    shown_p = page.for_logarithm(probabilities[backward.label], backward.cross_entropy)
    entropy = page.precise(backward.cross_entropy)
    yield f"observed: {observed}, cross-entropy = -ln({shown_p}) = {entropy}"
    header = ["", "softmax", "observed", "softmax - observed"]
    if _is_squared(backward):
        header.append("gradient of loss")
        loss = page.precise(backward.loss)
        centre = page.precise((backward.residuals * probabilities).sum())
        yield f"loss: squared residuals, the sum of (softmax - observed)^2 = {loss}"
        yield (
            f"  its gradient = 2 x softmax x (softmax - observed - {centre}), where {centre} is "
            "the sum of softmax x (softmax - observed)"
        )
    rows = [[*header, "gradient of p", "of argmax"]]
    for label in page.shown[-1]:
        row = [
            page.names[-1][label],
            page.probability(probabilities[label]),
            str(int(label == backward.label)),
            page.precise(backward.residuals[label]),
        ]
        if _is_squared(backward):
            row.append(page.precise(backward.gradients[label]))
        rows.append([*row, page.precise(backward.softmax_gradient[label]), "0"])
    yield text.table(rows)
    yield (
        f"p is p({observed}); its gradient with respect to the raw outputs: "
        "p x (observed - softmax)"
    )
    yield "  times -1 / p, the slope of -ln p: softmax - observed, the gradient of cross-entropy"
    yield "gradient of argmax: 0 wherever it has one, so nothing would flow back through argmax"


def _last_gradients(page: Page, level: int, gradient: str) -> Iterator[str]:
    """Every gradient of the last layer, as the product it is."""
    inputs = page.title(level)
    yield f"gradients of the last layer: of a weight {inputs} x {gradient}, of a bias {gradient}"
    layer = page.trace.layers[level]
    assert layer.gradients is not None
    sources = _sources(page, level)
    rows = page.products(
        level, sources, page.shown[level + 1], layer.gradients.sums, page.as_exact_as
    )
    yield from blocks(rows, 1)
    yield from _left_out(page, level, sources)


def _gradients(page: Page, level: int, gradient_above: str) -> Iterator[str]:
    """Back to the units of a hidden layer, and through their ReLU."""
    layer, above = page.trace.layers[level : level + 2]
    assert layer.gradients is not None
    assert above.gradients is not None
    shown = page.shown[level + 1]
    yield (
        f"back to hidden layer {level + 1}{page.count(level + 1)}: gradient = weight x "
        f"{gradient_above}, summed"
    )
    is_last = level + 2 == len(page.trace.layers)
    rows = page.weights(
        level + 2,
        "gradient",
        above.gradients.sums,
        level + 1,
        above.weights.T,
        page.precise if is_last else page.back,
    )
    rows.append(["gradient", "", *map(page.back, layer.gradients.outputs[shown])])
    after = [
        page.back(layer.gradients.sums[j]) if layer.outputs[j] > 0 else "blocked" for j in shown
    ]
    rows.append(["after ReLU", "", *after])
    yield from blocks(rows, 2)


def _hidden_gradients(page: Page, level: int) -> Iterator[str]:
    """Every gradient of a hidden layer, as the product it is."""
    inputs = page.title(level)
    yield (
        f"gradients of hidden layer {level + 1}: of a weight {inputs} x gradient after "
        "ReLU, of a bias gradient after ReLU"
    )
    layer = page.trace.layers[level]
    assert layer.gradients is not None
    is_live = layer.outputs > 0
    shown, others = page.shown[level + 1], page.others[level + 1]
    sources, targets = _sources(page, level), shown[is_live[shown]]
    if len(targets):
        rows = page.products(
            level, sources, targets, layer.gradients.sums, lambda _, number: page.back(number)
        )
        yield from blocks(rows, 1)
        yield from _left_out(page, level, sources)
    blocked = [page.names[level + 1][j] for j in shown[~is_live[shown]]]
    unshown = np.count_nonzero(~is_live[others])
    if unshown:
        blocked.append(f"{unshown:,} of the units not shown")
    if blocked:
        yield f"blocked by ReLU, so that all gradients are 0: {', '.join(blocked)}"


def _sources(page: Page, level: int) -> IntArray:
    """Which inputs of a layer to show gradients of: an input of 0 makes gradients of 0."""
    shown = page.shown[level]
    return shown if page.everything else shown[page.trace.layers[level].inputs[shown] != 0]


def _left_out(page: Page, level: int, sources: IntArray) -> Iterator[str]:
    zeros = len(page.shown[level]) - len(sources)
    if zeros:
        yield f"{plural(zeros, 'input')} shown above as 0: gradients of 0"


def _step(page: Page, backward: BackwardTrace) -> Iterator[str]:
    rate = f"learning rate {backward.learning_rate:g}"
    yield f"one step, on a copy: every parameter - {rate} x its gradient, for this row alone"
    before, after = page.trace.probabilities, backward.probabilities_after
    change = after[backward.label] - before[backward.label]
    decimals = max(page.decimals, decimals_of(change, digits=2))
    rows = [["", "raw output", "after the step", "softmax", "after the step"]]
    for label in page.shown[-1]:
        columns = (page.trace.raw_outputs, backward.raw_outputs_after, before, after)
        numbers = [fixed(column[label], decimals) for column in columns]
        rows.append([page.names[-1][label], *numbers])
    yield text.table(rows)
    p = f"p({page.names[-1][backward.label]})"
    loss = "squared residuals" if _is_squared(backward) else "cross-entropy"
    yield (
        f"{p} {fixed(before[backward.label], decimals)} -> "
        f"{fixed(after[backward.label], decimals)}, {loss} "
        f"{fixed(backward.loss, decimals)} -> {fixed(backward.loss_after, decimals)}"
    )
