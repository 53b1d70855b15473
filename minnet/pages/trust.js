/* Section 6: the scores of the table, and what speaks against trusting them too far. */

const MOST_CLASSES_BESIDE = 4;
const CALIBRATION = { width: 312, height: 312, left: 58 };

function makeTrust(place) {
  if (!data.evaluation) {
    place.append(element("p", {}, withoutScores()));
    return;
  }
  const scores = data.evaluation;
  const confusion = confusionFigure(scores);
  const isWide = data.classes.length > MOST_CLASSES_BESIDE;
  const warnings = present([...scores.warnings, scores.selection, scores.threshold]);
  const halves = [element("div", {}, isWide ? null : confusion, mostWrongFigure(scores)), element("div", {}, calibrationFigure(scores), importanceFigure())];
  place.append(
    element("p", {}, `${plural(scores.rows, "row")}, ${scores.judged_by}.`),
    ...warnings.map((warning) => element("p", { class: "warning" }, sentence(warning))),
    element("div", { class: "tiles" }, accuracyTile(scores), logLossTile(scores), calibrationTile(scores), rankingTile(scores)),
    ...present([isWide ? confusion : null]),
    element("div", { class: "halves" }, ...halves),
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

function tile(title, value, ...lines) {
  return element("div", { class: "tile" }, element("h3", {}, title), element("p", { class: "figure" }, value), ...lines.map((line) => element("p", { class: "hint" }, line)));
}

function accuracyTile({ accuracy, accuracy_interval: [low, high], hits, majority: [majority, share] }) {
  const at = (value) => `${100 * value}%`;
  const mark = (kind, style) => element("span", { class: `interval-${kind}`, style });
  const marks = [mark("range", { left: at(low), width: at(high - low) }), mark("base", { left: at(share) }), mark("value", { left: at(accuracy) })];
  const bar = element("span", { class: "interval", role: "img", "aria-label": `95 % interval ${percent(low)} to ${percent(high)}` }, ...marks);
  return tile("Accuracy", percent(accuracy), bar, `${hits} correct, 95 % interval ${percent(low)} to ${percent(high)}`, element("span", {}, `always predicting the majority class, `, named(majority), `: ${percent(share)}`));
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
  const cell = (count, isRight) => {
    const strength = 0.1 + (isRight ? 0.35 : 0.55) * Math.sqrt(count / most);
    const colour = rgb(styled(isRight ? "--positive" : "--negative"), count ? strength : 0);
    return element("td", { class: count ? "" : "zero", style: { "background-color": colour } }, count.toLocaleString("en"));
  };
  const rows = confusion.map((counts, observed) => [classNamed(observed), ...counts.map((count, predicted) => cell(count, predicted === observed))]);
  const headers = ["observed \\ predicted", ...data.classes.map((_, k) => classNamed(k))];
  return element("figure", {}, title, scrolling("Confusion", table(headers, rows, { class: "numbers confusion" })));
}

/** How often a class occurs beside its probability, in tenths; a larger point stands for more rows. */
function calibrationFigure({ calibration }) {
  const tenths = ({ rows, mean_probability: p, share, interval: [low, high] }) =>
    `${plural(rows, "row")} with probability ${fixed(p, 2)}, of which ${fixed(share, 2)} are (95 % interval ${fixed(low, 2)} to ${fixed(high, 2)})`;
  const all = calibration.flatMap(({ class: label, bins }) => bins.map((part) => `${data.classes[label].name}: ${tenths(part)}`));
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const { svg, line, curve, dot } = makeChart(`Calibration. ${all.join("; ")}`, CALIBRATION, { to: 1, ticks, title: "probability of the class" }, { to: 1, ticks, title: "share of rows that are of it" });
  svg.classList.add("square");
  line({ class: "baseline" }, 0, 0, 1, 1);
  for (const { class: label, bins } of calibration) {
    const stroke = rgb(data.classes[label].colour);
    const most = Math.max(...bins.map(({ rows }) => rows));
    curve({ stroke, "stroke-width": 1.5 }, bins.map(({ mean_probability: p, share }) => [p, share]));
    for (const part of bins) {
      const { rows, mean_probability: p, share, interval: [low, high] } = part;
      line({ stroke, "stroke-opacity": 0.6 }, p, low, p, high);
      dot({ r: 2 + 4 * Math.sqrt(rows / most), fill: stroke }, p, share, `${data.classes[label].name}: ${tenths(part)}`);
    }
  }
  const classes = calibration.map(({ class: label }) => classNamed(label));
  return element("figure", {}, element("h3", {}, "Do its probabilities hold?"), svg, element("p", { class: "legend" }, ...classes), element("figcaption", { class: "hint" }, "Of rows given a class with a probability of 0.8, eight in ten should be of it: on the dotted line. Upright lines are 95 % intervals; a larger point stands for more rows."));
}

/** How much worse the log loss gets when the cells of one column are shuffled; the band is what chance alone makes of it. */
function importanceFigure() {
  const { importance } = data;
  if (!importance.length) return null;
  const shown = importance.slice(0, MOST_BARS);
  const most = Math.max(...shown.flatMap(({ increase, chance }) => [increase, chance ?? 0]), 1e-9);
  const rows = shown.map(({ column, increase, chance, networks: [smallest, largest], matters }) => {
    const band = element("span", { class: "bar-chance", style: { width: `${(100 * (chance ?? 0)) / most}%` } });
    const { row, name, draw } = makeBar(band);
    name.append(named(column));
    row.title = `networks alone: ${fixed(smallest, 3)} to ${fixed(largest, 3)}`;
    draw(Math.max(increase, 0) / most, matters ? `+${fixed(increase, 3)}` : `${fixed(increase, 3)}, no more than chance`);
    return row;
  });
  const rest = importance.length - shown.length;
  const more = rest ? ` ${plural(rest, "less important column")} left out.` : "";
  return element("figure", {}, element("h3", {}, "Which columns matter"), element("ul", { class: "bars plain" }, ...rows), element("figcaption", { class: "hint" }, `How much the log loss of held-out rows grows when the cells of one column are shuffled; hatched: what chance alone makes of it.${more}`));
}

/** The rows with the smallest probabilities of their observed class: a click goes to one. */
function mostWrongFigure({ most_wrong: mostWrong }) {
  const go = (number) => () => {
    update(ofRow(positionOf(number)));
    document.getElementById("ask").scrollIntoView();
    document.getElementById("row").focus({ preventScroll: true });
  };
  const button = (row) => element("button", { type: "button", click: go(row) }, `Row ${row}`);
  const rows = mostWrong.map(({ row, observed, predicted, probability }) => [button(row), classNamed(observed), classNamed(predicted), short(probability)]);
  return element("figure", {}, element("h3", {}, "Its worst rows"), scrolling("Its worst rows", table(["", "observed", "predicted", "p(observed)"], rows, { class: "numbers wrong" })), element("figcaption", { class: "hint" }, "The smallest probability of the observed class first. A click asks about that row, at the top."));
}
