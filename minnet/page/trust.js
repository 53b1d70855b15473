/* Section 5: the scores of the table, and what speaks against trusting them too far. */

const MOST_CLASSES_BESIDE = 4;
const CALIBRATION = { size: 312, left: 58, bottom: 40, top: 10, right: 12 };

function makeTrust(place) {
  if (!data.evaluation) {
    place.append(element("p", {}, withoutScores()));
    return;
  }
  const scores = data.evaluation;
  const confusion = confusionFigure(scores);
  const isWide = data.classes.length > MOST_CLASSES_BESIDE;
  place.append(
    ...present([
      element("p", {}, judgedBy(scores)),
      ...scores.warnings.map((warning) => element("p", { class: "warning" }, sentence(warning))),
      scores.selection ? element("p", { class: "warning" }, sentence(scores.selection)) : null,
      element("div", { class: "tiles" }, accuracyTile(scores), logLossTile(scores), calibrationTile(scores), rankingTile(scores)),
      isWide ? confusion : null,
      element(
        "div",
        { class: "halves" },
        element("div", {}, isWide ? null : confusion, mostWrongFigure(scores)),
        element("div", {}, calibrationFigure(scores), importanceFigure()),
      ),
    ]),
  );
}

/** `chosen from ...` as `Chosen from ... .` */
function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function withoutScores() {
  const { holdout_accuracy: accuracy } = data.history;
  const known = accuracy === null ? "" : `On the rows that the networks held out in training their accuracy was ${percent(accuracy)}. ${data.selection ? `${sentence(data.selection)} ` : ""}`;
  const why = data.table ? "The table has no labels to judge the model by." : "With a labelled table as DATA, its scores would be here.";
  return known + why;
}

function judgedBy({ rows, judged_by: by, out_of_fold: outOfFold }) {
  return `${plural(rows, "row")}, ${by}.${outOfFold ? " All scores are out of fold." : ""}`;
}

function tile(title, value, ...lines) {
  return element("div", { class: "tile" }, element("h3", {}, title), element("p", { class: "figure" }, value), ...lines.map((line) => element("p", { class: "hint" }, line)));
}

function accuracyTile({ accuracy, accuracy_interval: [low, high], correct, rows, majority: [majority, share] }) {
  const at = (value) => `${100 * value}%`;
  const bar = element(
    "span",
    { class: "interval", role: "img", "aria-label": `95 % interval ${percent(low)} to ${percent(high)}` },
    element("span", { class: "interval-range", style: { left: at(low), width: at(high - low) } }),
    element("span", { class: "interval-base", style: { left: at(share) } }),
    element("span", { class: "interval-value", style: { left: at(accuracy) } }),
  );
  return tile("Accuracy", percent(accuracy), bar, `${correct.toLocaleString("en")} of ${rows.toLocaleString("en")} correct, 95 % interval ${percent(low)} to ${percent(high)}`, element("span", {}, `always predicting the majority class, `, named(majority), `: ${percent(share)}`));
}

function logLossTile({ log_loss: loss, baseline_log_loss: baseline }) {
  return tile("Log loss", fixed(loss, 3), "nats per row: the mean of \u2212ln of the probability of the observed class", `always giving the class shares: ${fixed(baseline, 3)}`);
}

function calibrationTile({ calibration_error: error, chance_calibration_errors: [expected, limit] }) {
  return tile("Calibration error", fixed(error, 3), "share of probability in the wrong place; 0 is perfectly calibrated", `by chance alone ${fixed(expected, 3)}, up to ${fixed(limit, 3)}`);
}

function rankingTile({ area_under_roc_curve: area, average_precision: precision, balanced_accuracy: balanced }) {
  const whose = data.classes.length === 2 ? element("span", {}, "of ", named(data.classes[1].name)) : "each class against the rest, mean";
  return tile("Area under the ROC curve", area !== null ? fixed(area, 3) : "\u2013", ...(area !== null ? [whose, `average precision ${fixed(precision, 3)}`] : ["a class has no rows"]), `balanced accuracy ${percent(balanced)}`);
}

/** Which classes are taken for which: a table, or of many classes the most frequent mistakes. */
function confusionFigure({ confusion, confused }) {
  const title = element("h3", {}, "Which class is taken for which");
  if (!confusion) {
    const rows = confused.map(([observed, predicted, count]) => [classNamed(observed), classNamed(predicted), count.toLocaleString("en")]);
    return element("figure", {}, title, scrolling("Most frequent mistakes", table(["observed", "predicted", "rows"], rows, { class: "numbers" })));
  }
  const most = Math.max(1, ...confusion.flat());
  const body = confusion.map((counts, observed) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, classNamed(observed)),
      ...counts.map((count, predicted) => {
        const colour = styled(predicted === observed ? "--positive" : "--negative");
        const cell = element("td", { class: count ? "" : "zero" }, count.toLocaleString("en"));
        if (count) cell.style.backgroundColor = rgb(colour, 0.1 + (predicted === observed ? 0.35 : 0.55) * Math.sqrt(count / most));
        return cell;
      }),
    ),
  );
  const head = element("tr", {}, element("th", { scope: "col" }, "observed \\ predicted"), ...data.classes.map((_, k) => element("th", { scope: "col" }, classNamed(k))));
  return element("figure", {}, title, scrolling("Confusion", element("table", { class: "numbers confusion" }, element("thead", {}, head), element("tbody", {}, ...body))));
}

/** How often a class occurs beside its probability, in tenths; a larger point stands for more rows. */
function calibrationFigure({ calibration }) {
  const { size, left, bottom, top, right } = CALIBRATION;
  const x = (p) => left + (size - left - right) * p;
  const y = (p) => top + (size - top - bottom) * (1 - p);
  const chart = shape("svg", { viewBox: `0 0 ${size} ${size}`, class: "chart square", role: "img" });
  for (const p of [0, 0.25, 0.5, 0.75, 1]) {
    chart.append(
      shape("line", { class: "grid", x1: x(0), x2: x(1), y1: y(p), y2: y(p) }),
      shape("text", { x: left - 8, y: y(p) + 4, class: "end" }, String(p)),
      shape("text", { x: x(p), y: size - bottom + 18, class: "middle" }, String(p)),
    );
  }
  chart.append(
    shape("line", { class: "baseline", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
    shape("text", { x: (x(0) + x(1)) / 2, y: size - 4, class: "middle" }, "probability of the class"),
    shape("text", { x: 0, y: 0, class: "middle", transform: `translate(12 ${(y(0) + y(1)) / 2}) rotate(-90)` }, "share of rows that are of it"),
  );
  const all = [];
  for (const { class: label, bins } of calibration) {
    const { name, colour } = data.classes[label];
    const stroke = rgb(colour);
    const most = Math.max(...bins.map(({ rows }) => rows));
    const points = bins.map(({ mean_probability: p, share }) => `${x(p).toFixed(1)} ${y(share).toFixed(1)}`);
    chart.append(shape("path", { d: `M${points.join("L")}`, fill: "none", stroke, "stroke-width": 1.5 }));
    for (const { rows, mean_probability: p, share, interval: [low, high] } of bins) {
      const words = `${name}: ${plural(rows, "row")} with probability ${fixed(p, 2)}, of which ${fixed(share, 2)} are (95 % interval ${fixed(low, 2)} to ${fixed(high, 2)})`;
      all.push(words);
      chart.append(
        shape("line", { x1: x(p), x2: x(p), y1: y(low), y2: y(high), stroke, "stroke-opacity": 0.6 }),
        shape("circle", { cx: x(p), cy: y(share), r: 2 + 4 * Math.sqrt(rows / most), fill: stroke }, shape("title", {}, words)),
      );
    }
  }
  chart.setAttribute("aria-label", `Calibration. ${all.join("; ")}`);
  const classes = calibration.map(({ class: label }) => classNamed(label));
  return element("figure", {}, element("h3", {}, "Do its probabilities hold?"), chart, element("p", { class: "legend" }, ...classes), element("figcaption", { class: "hint" }, "Of rows given a class with a probability of 0.8, eight in ten should be of it: on the dashed line. Lines are 95 % intervals; a larger point stands for more rows."));
}

/** How much worse the log loss gets when the cells of one column are shuffled. */
function importanceFigure() {
  const { importance } = data;
  if (!importance.length) return null;
  const shown = importance.slice(0, MOST_BARS);
  const most = Math.max(...shown.map(({ increase }) => increase), 1e-9);
  const rows = shown.map(({ column, increase, networks: [smallest, largest], matters }) =>
    element(
      "li",
      { title: `networks alone: ${fixed(smallest, 3)} to ${fixed(largest, 3)}` },
      element("span", { class: "bar-name" }, named(column)),
      element("span", { class: "bar-track", "aria-hidden": "true" }, element("span", { class: "bar-mean", style: { width: `${(100 * Math.max(increase, 0)) / most}%`, opacity: matters ? 1 : 0.4 } })),
      element("span", { class: "bar-value" }, matters ? `+${fixed(increase, 3)}` : `${fixed(increase, 3)}, no more than chance`),
    ),
  );
  const rest = importance.length - shown.length;
  const more = rest ? ` ${plural(rest, "less important column")} left out.` : "";
  return element("figure", {}, element("h3", {}, "Which columns matter"), element("ul", { class: "bars plain" }, ...rows), element("figcaption", { class: "hint" }, `How much the log loss of held-out rows grows when the cells of one column are shuffled.${more}`));
}

/** The rows with the smallest probabilities of their observed class: a click goes to one. */
function mostWrongFigure({ most_wrong: mostWrong }) {
  const go = (number) => () => {
    update(ofRow(positionOf(number)));
    document.getElementById("ask").scrollIntoView();
    document.getElementById("row").focus({ preventScroll: true });
  };
  const rows = mostWrong.map(({ row, observed, predicted, probability }) => [
    element("button", { type: "button", click: go(row) }, `Row ${row}`),
    classNamed(observed),
    classNamed(predicted),
    short(probability),
  ]);
  return element("figure", {}, element("h3", {}, "The rows it got most wrong"), scrolling("The rows it got most wrong", table(["", "observed", "predicted", "p(observed)"], rows, { class: "numbers wrong" })), element("figcaption", { class: "hint" }, "By the probability of their observed class. A click asks about that row, at the top."));
}
