"""How an explanation reads on a terminal: the way back, from the loss to the gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minnet.cli import text
from minnet.cli.explain_page import blocks, decimals_of, fixed
from minnet.errors import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minnet.analysis.trace import Lesson
    from minnet.arrays import IntArray
    from minnet.cli.explain_page import Page


def backward_sections(page: Page, lesson: Lesson) -> Iterator[Iterator[str]]:
    """Lines of each section, from the observed class to one gradient step."""
    by_raw_output = "slope of the loss" if _is_squared(lesson) else "(softmax - observed)"
    yield _loss(page, lesson)
    *hidden, last = range(len(page.trace.layers))
    yield _last_gradients(page, last, by_raw_output)
    for level in reversed(hidden):
        above = by_raw_output if level + 1 == last else "slope behind ReLU"
        yield _slopes(page, level, above)
        yield _hidden_gradients(page, level)
    yield _step(page, lesson)


def _is_squared(lesson: Lesson) -> bool:
    return lesson.loss_name == "squared-residuals"


def _loss(page: Page, lesson: Lesson) -> Iterator[str]:
    """What is observed, the loss, and its slopes by the raw outputs."""
    probabilities = page.trace.probabilities
    observed = page.names[-1][lesson.label]
    shown_p = page.for_logarithm(probabilities[lesson.label], lesson.cross_entropy)
    entropy = page.precise(lesson.cross_entropy)
    yield f"observed: {observed}, cross-entropy = -ln({shown_p}) = {entropy}"
    header = ["", "softmax", "observed", "softmax - observed"]
    if _is_squared(lesson):
        header.append("slope of the loss")
        loss = page.precise(lesson.loss)
        centre = page.precise((lesson.residuals * probabilities).sum())
        yield f"loss: squared residuals, the sum of (softmax - observed)^2 = {loss}"
        yield (
            f"  its slope = 2 x softmax x (softmax - observed - {centre}), where {centre} is the "
            "sum of softmax x (softmax - observed)"
        )
    rows = [[*header, "slope of p", "slope of argmax"]]
    for label in page.shown[-1]:
        row = [
            page.names[-1][label],
            page.probability(probabilities[label]),
            str(int(label == lesson.label)),
            page.precise(lesson.residuals[label]),
        ]
        if _is_squared(lesson):
            row.append(page.precise(lesson.slopes[label]))
        rows.append([*row, page.precise(lesson.softmax_slopes[label]), "0"])
    yield text.table(rows)
    yield f"slope of p, which is p({observed}), by each raw output: p x (observed - softmax)"
    yield "  times -1 / p, the slope of -ln p, it is softmax - observed, the slope of cross-entropy"
    yield "slope of argmax: 0 wherever there is one, so no gradient would flow back through argmax"


def _last_gradients(page: Page, level: int, slope: str) -> Iterator[str]:
    """Every gradient of the last layer, as the product it is."""
    inputs = "ReLU" if level else "scaled"
    yield f"gradients of the last layer: of a weight {inputs} x {slope}, of a bias {slope}"
    layer = page.trace.layers[level]
    assert layer.gradients is not None
    sources = _sources(page, level)
    rows = page.products(
        level, sources, page.shown[level + 1], layer.gradients.sums, page.as_exact_as
    )
    yield from blocks(rows, 1)
    yield from _left_out(page, level, sources)


def _slopes(page: Page, level: int, slope_above: str) -> Iterator[str]:
    """Back to the units of a hidden layer, and through their ReLU."""
    layer, above = page.trace.layers[level : level + 2]
    assert layer.gradients is not None
    assert above.gradients is not None
    shown = page.shown[level + 1]
    yield (
        f"back to hidden layer {level + 1}{page.count(level + 1)}: slope = weight x {slope_above}, "
        "added up"
    )
    is_last = level + 2 == len(page.trace.layers)
    rows = page.weights(
        level + 2,
        "slope",
        above.gradients.sums,
        level + 1,
        above.weights.T,
        page.precise if is_last else page.back,
    )
    rows.append(["slope", "", *map(page.back, layer.gradients.outputs[shown])])
    behind = [
        page.back(layer.gradients.sums[j]) if layer.outputs[j] > 0 else "blocked" for j in shown
    ]
    rows.append(["behind ReLU", "", *behind])
    yield from blocks(rows, 2)


def _hidden_gradients(page: Page, level: int) -> Iterator[str]:
    """Every gradient of a hidden layer, as the product it is."""
    inputs = "ReLU" if level else "scaled"
    yield (
        f"gradients of hidden layer {level + 1}: of a weight {inputs} x slope behind ReLU, of a "
        "bias slope behind ReLU"
    )
    layer = page.trace.layers[level]
    assert layer.gradients is not None
    fired = layer.outputs > 0
    shown, others = page.shown[level + 1], page.others[level + 1]
    sources, targets = _sources(page, level), shown[fired[shown]]
    if len(targets):
        rows = page.products(
            level, sources, targets, layer.gradients.sums, lambda _, number: page.back(number)
        )
        yield from blocks(rows, 1)
        yield from _left_out(page, level, sources)
    blocked = [page.names[level + 1][j] for j in shown[~fired[shown]]]
    unshown = np.count_nonzero(~fired[others])
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


def _step(page: Page, lesson: Lesson) -> Iterator[str]:
    rate = f"learning rate {lesson.learning_rate:g}"
    yield f"one step, on a copy: every weight and bias - {rate} x its gradient, for this row alone"
    before, after = page.trace.probabilities, lesson.probabilities_after
    change = after[lesson.label] - before[lesson.label]
    decimals = max(page.decimals, decimals_of(change, digits=2))
    rows = [["", "raw output", "after it", "softmax", "after it"]]
    for label in page.shown[-1]:
        columns = (page.trace.raw_outputs, lesson.raw_outputs_after, before, after)
        numbers = [fixed(column[label], decimals) for column in columns]
        rows.append([page.names[-1][label], *numbers])
    yield text.table(rows)
    p = f"p({page.names[-1][lesson.label]})"
    loss = "squared residuals" if _is_squared(lesson) else "cross-entropy"
    yield (
        f"{p} {fixed(before[lesson.label], decimals)} -> {fixed(after[lesson.label], decimals)}, "
        f"{loss} {fixed(lesson.loss, decimals)} -> {fixed(lesson.loss_after, decimals)}"
    )
