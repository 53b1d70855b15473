/* Section 2: one network, its units and weights, and every number from the inputs to the gradients. */

const LINES = [
  ["flow", "what is passed on"],
  ["weights", "weights and biases"],
  ["gradients", "gradients flowing back"],
];
const LARGEST_EXPONENT = 500;

function makeInside(place) {
  const pick = choice(
    "Network",
    networks.map((_, k) => [k, String(k + 1)]),
    0,
    (value) => update({ network: Number(value) }),
  );
  const observed = choice(
    "Observed class",
    [["", "(none)"], ...data.classes.map(({ name }, k) => [k, name])],
    "",
    (value) => update({ label: value === "" ? null : Number(value), lines: value === "" && state.lines === "gradients" ? "flow" : state.lines }),
  );
  const lines = element("fieldset", { class: "field lines" }, element("legend", {}, "Show"));
  const radios = LINES.map(([value, text]) => {
    const radio = element("input", { type: "radio", name: "lines", value, change: () => update({ lines: value }) });
    lines.append(element("label", {}, radio, text));
    return radio;
  });
  const told = element("p", { class: "hint" });
  const detail = element("div", { class: "panel detail", tabindex: 0, role: "region", "aria-label": "The sum of the chosen unit" });
  const stage = element("div", { class: "stage", role: "group", "aria-label": "Units of the network; arrow keys walk through them" });
  const numbers = element("div");
  place.append(
    element("div", { class: "bar" }, pick.label, observed.label, lines),
    told,
    element("div", { class: "beside" }, element("div", {}, stage, legendOfLines()), detail),
    numbers,
  );
  const draw = makeDrawing(stage, (unit) => update({ unit }));
  new ResizeObserver(() => update()).observe(stage);

  addView(place, () => {
    pick.select.value = state.network;
    observed.select.value = state.label ?? "";
    radios.forEach((radio) => {
      radio.checked = radio.value === state.lines;
      radio.disabled = radio.value === "gradients" && state.label === null;
    });
    told.replaceChildren(whichNetwork());
    const network = networks[state.network];
    const traced = trace(network, current.features);
    const gradients = state.label === null ? null : backward(network, traced, state.label, data.loss);
    const last = network.layers.length;
    const unit = state.unit ?? { layer: last, index: argmax(traced.logits) };
    draw(network, traced, picture(network, traced, gradients, state.lines), unit);
    detail.replaceChildren(...unitInWords(unit, network, traced, state.lines === "gradients" ? gradients : null));
    numbers.replaceChildren(...outputsInNumbers(traced, gradients));
  });
}

/** Say why this network: it never saw the row, or it was trained on it. */
function whichNetwork() {
  const total = networks.length;
  const its = `Network ${state.network + 1} of ${total}`;
  if (state.row === null || !data.table) return `${its}.`;
  const keeper = data.table.held_out_by[state.row];
  const row = data.table.numbers[state.row];
  if (keeper < 0) return `${its}.`;
  return keeper === state.network
    ? `${its}: row ${row} is held out from it.`
    : `${its}: row ${row} is held out from network ${keeper + 1}.`;
}

function legendOfLines() {
  const line = (dashed, sign) =>
    shape("svg", { viewBox: "0 0 30 8", class: "line", "aria-hidden": "true" }, shape("path", { d: "M0 4H30", class: sign, "stroke-dasharray": dashed ? "6 4" : "none" }));
  const bins = BINS ? "a line from an input stands for its bins, too: for the sum of what they pass on, or the largest of their weights or gradients" : null;
  return element("p", { class: "hint legend" }, element("span", {}, line(false, "positive"), "positive"), element("span", {}, line(true, "negative"), "negative; the thicker, the larger"), element("span", {}, "dashed unit: off, ReLU passes on 0"), bins && element("span", {}, bins));
}

/** The sum of one unit, written out. */
function unitInWords({ layer, index }, network, traced, gradients) {
  const names = unitNames();
  const last = names.length - 1;
  const title = element("h3", {}, `${layerTitle(layer)}: `, named(names[layer][index]));
  if (layer === 0) return [title, ...inputInWords(index, network, traced, gradients)];
  const { inputs, weights, biases, sums, outputs, fanOut } = traced.layers[layer - 1];
  const from = layer === 1 ? (BINS ? "input" : "scaled") : "passed on";
  const sources = sourcesInWords(layer - 1, network, names);
  if (gradients) return [title, ...gradientInWords({ layer, index }, sources, traced, gradients, names)];
  const terms = sources.map(({ name, i }) => ({ name, input: inputs[i], weight: weights[i * fanOut + index] }));
  terms.sort((a, b) => Math.abs(b.input * b.weight) - Math.abs(a.input * a.weight));
  const listed = new Set(sources.map(({ i }) => i));
  const others = inputs.map((input, i) => (listed.has(i) ? 0 : input * weights[i * fanOut + index]));
  const prefix = layer > 1 ? "hidden " : "";
  return [
    title,
    table(
      ["from", `${from} \u00d7 weight`, "="],
      [
        ...terms.map(({ name, input, weight }) => [named(prefix + name), `${fixed(input, 3)} \u00d7 ${fixed(weight, 3)}`, fixed(input * weight, 3)]),
        ...otherBins(inputs, sources, () => ["", fixed(others.reduce((sum, one) => sum + one), 3)]),
        ["bias", "", fixed(biases[index], 3)],
        ["sum", "", fixed(sums[index], 3)],
        ...(layer < last ? [["passes on", "ReLU(sum)", fixed(outputs[index], 3)]] : []),
      ],
      { class: "numbers sum" },
    ),
  ];
}

/** What the sum of a unit names: units or, before the first layer, features and of their bins those that the value lies in. */
function sourcesInWords(layer, network, names) {
  if (layer) return names[layer].map((name, i) => ({ name, i }));
  return network.places.flatMap(([own, ...bins], i) => [
    { name: names[0][i], i: own },
    ...binsAround(i, network).map((t) => ({ name: `${names[0][i]} bin ${t + 1}`, i: bins[t] })),
  ]);
}

/** A row of a table for the bins that are not named. */
function otherBins(inputs, sources, cells) {
  const count = inputs.length - sources.length;
  return count ? [[plural(count, "other bin"), ...cells()]] : [];
}

/** Which of a feature's bins its value lies in: at an edge there are two, outside there is none. */
function binsAround(i, { means, scales, edges }) {
  const scaled = standardized(current.features[i], means[i], scales[i]);
  const own = edges[i];
  return [...own.slice(1).keys()].filter((t) => own[t] < own[t + 1] && own[t] <= scaled && scaled <= own[t + 1]);
}

function inputInWords(index, network, traced, gradients) {
  const value = current.features[index];
  const column = columns.find(({ name, is_boolean: isBoolean }) => isBoolean && name === data.features[index]) ?? {};
  const [mean, scale, scaled] = [network.means[index], network.scales[index], traced.layers[0].inputs[index]];
  const rows = [
    ["value", Number.isNaN(value) ? "missing" : valueInWords(column, value)],
    ["mean of its training rows", short(mean)],
    ["standard deviation", short(scale)],
    ["scaled", fixed(scaled, 4)],
  ];
  if (gradients) rows.push(["gradient", fixed(gradients[0].scaled[index], 4)]);
  const how = Number.isNaN(value)
    ? "A missing number is passed on as 0, the mean."
    : scale > 0
      ? `(${short(value)} \u2212 ${short(mean)}) / ${short(scale)} = ${fixed((value - mean) / scale, 4)}${Math.abs((value - mean) / scale) > LIMIT ? `, clipped at \u00b1${LIMIT}` : ""}`
      : "It was constant, or too rare, in the rows that this network learned from: it is passed on as 0.";
  return [table(["", ""], rows, { class: "numbers sum bare" }), element("p", { class: "hint" }, how), ...binsInWords(index, network, traced)];
}

function binsInWords(index, network, { layers }) {
  const [, ...bins] = network.places[index];
  if (!bins.length) return [];
  const [mean, scale, edges] = [network.means[index], network.scales[index], network.edges[index]];
  const around = binsAround(index, network);
  const rows = around.map((t) => {
    const [lower, upper] = [edges[t], edges[t + 1]].map((edge) => edgeInWords(edge * scale + mean, (edges[t + 1] - edges[t]) * scale));
    return [String(t + 1), lower, upper, fixed(layers[0].inputs[bins[t]], 4)];
  });
  return [
    around.length ? table(["bin", "from", "to", "passed on"], rows, { class: "numbers sum" }) : null,
    element("p", { class: "hint" }, `${around.length ? "" : "It lies in none of its bins. "}Each of its ${plural(bins.length, "bin")} passes on how far the value has come through it, from 0 to 1, less 0.5: 0.5 if it is above, \u22120.5 if it is below; a bin without a width passes on 0.`),
  ].filter((one) => one);
}

/** An edge of a bin in its column's own unit, to three digits of the bin's width. */
function edgeInWords(value, width) {
  const step = 10 ** (Math.floor(Math.log10(width)) - 2);
  return step > 1e-300 && Number.isFinite(step) ? String(rounded(value, step)).replaceAll("-", "\u2212") : short(value);
}

/** How the gradient of one unit comes about, and what it makes of the weights before it. */
function gradientInWords({ layer, index }, sources, traced, gradients, names) {
  const own = gradients[layer - 1];
  const { inputs, outputs } = traced.layers[layer - 1];
  const rows = [];
  if (layer < traced.layers.length) {
    const next = traced.layers[layer];
    const terms = Array.from(gradients[layer].sums, (gradient, j) => ({ name: names[layer + 1][j], gradient, weight: next.weights[index * next.fanOut + j] }));
    terms.sort((a, b) => Math.abs(b.gradient * b.weight) - Math.abs(a.gradient * a.weight));
    for (const { name, gradient, weight } of terms) rows.push([named(name), `${fixed(weight, 3)} \u00d7 ${fixed(gradient, 4)}`, fixed(gradient * weight, 4)]);
    rows.push(["gradient", "", fixed(own.outputs[index], 4)]);
    rows.push(["after ReLU", outputs[index] > 0 ? "on: passes" : "off: blocked", fixed(own.sums[index], 4)]);
  } else {
    const [p, target] = [traced.probabilities[index], index === state.label ? 1 : 0];
    rows.push(["gradient", data.loss === "cross-entropy" ? `${short(p)} \u2212 ${target}` : "", fixed(own.sums[index], 4)]);
  }
  const weights = sources.map(({ name, i }) => ({ name, input: inputs[i] }));
  weights.sort((a, b) => Math.abs(b.input) - Math.abs(a.input));
  return [
    table(["from behind", "weight \u00d7 gradient", "="], rows, { class: "numbers sum" }),
    table(
      ["its weights", "input \u00d7 gradient", "="],
      [
        ...weights.map(({ name, input }) => [named(name), `${fixed(input, 3)} \u00d7 ${fixed(own.sums[index], 4)}`, fixed(input * own.sums[index], 4)]),
        ...otherBins(inputs, sources, () => [`\u00b10.5 \u00d7 ${fixed(own.sums[index], 4)}`, `\u00b1${fixed(Math.abs(own.sums[index]) / 2, 4)}`]),
        ["bias", "", fixed(own.sums[index], 4)],
      ],
      { class: "numbers sum" },
    ),
  ];
}

/** Raw outputs, e^raw, softmax and argmax side by side; for an observed class also the way back. */
function outputsInNumbers({ logits, probabilities }, gradients) {
  const label = state.label;
  const most = Math.max(...logits);
  const shift = Math.abs(most) > LARGEST_EXPONENT ? Math.round(most) : 0;
  const best = argmax(logits);
  const shown = [...probabilities.keys()];
  if (shown.length > MOST_BARS) {
    shown.sort((a, b) => (b === label) - (a === label) || probabilities[b] - probabilities[a]).splice(MOST_BARS);
  }
  const own = label === null ? 0 : probabilities[label];
  const exponentials = Array.from(logits, (logit) => Math.exp(logit - shift));
  const sum = exponentials.reduce((total, one) => total + one, 0);
  const back = (k) => {
    const target = k === label ? 1 : 0;
    const cells = [String(target), short(probabilities[k] - target)];
    if (data.loss !== "cross-entropy") cells.push(short(gradients.at(-1).sums[k]));
    return [...cells, short(own * (target - probabilities[k])), "0"];
  };
  const headers = ["class", "raw output", shift ? `e^(raw ${shift > 0 ? "\u2212" : "+"} ${Math.abs(shift)})` : "e^raw", "softmax", "argmax"];
  if (label !== null) {
    headers.push("observed", "softmax \u2212 observed");
    if (data.loss !== "cross-entropy") headers.push("gradient of the loss");
    headers.push("gradient of p", "gradient of argmax");
  }
  const blank = Array.from({ length: headers.length - 5 }, () => "");
  const rows = shown.map((k) => [classNamed(k), fixed(logits[k], 4), short(exponentials[k]), short(probabilities[k]), k === best ? "1" : "0", ...(label === null ? [] : back(k))]);
  const left = probabilities.length - shown.length;
  if (left) rows.push([`${left.toLocaleString("en")} less probable`, ...Array.from({ length: headers.length - 1 }, () => "")]);
  rows.push(["sum", "", short(sum), "1", "1", ...blank]);
  return [
    element("h3", {}, "From raw outputs to probabilities", label === null ? "" : ", and back"),
    scrolling("Raw outputs, softmax and argmax", table(headers, rows, { class: "numbers" })),
    element("p", {}, "Softmax divides each e^raw by their sum: the order stays, and all lie in 0 to 1 and add up to 1. Argmax puts a 1 at the largest. It answers, but it cannot train: move a weight a little and its output stays the same, so its gradient is 0 wherever it has one and nothing would flow back."),
    lossInWords(logits, probabilities, own),
  ];
}

function lossInWords(logits, probabilities, own) {
  if (state.label === null) return element("p", { class: "hint" }, "Choose an observed class to see the loss and its gradients.");
  const line = element("p", { class: "loss" }, "Observed: ", classNamed(state.label), `. Cross-entropy = \u2212ln(${short(own)}) = ${fixed(crossEntropy(logits, state.label), 4)} nats`);
  if (data.loss === "cross-entropy") {
    line.append(". Its gradient with respect to the raw outputs is softmax \u2212 observed; each weight moves against its own.");
  } else {
    line.append(`; the squared residuals, which it was trained with, add up to ${fixed(squaredResiduals(probabilities, state.label), 4)}.`);
  }
  return line;
}
