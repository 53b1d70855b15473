/* Section 2: one network, its units and weights, and every number from the inputs to the gradients. */

const LINES = [["flow", "what is passed on"], ["weights", "weights and biases"], ["gradients", " flowing back"]];
const LARGEST_EXPONENT = 500;
const MOST_TERMS = 12;
const ARGMAX_IS_FLAT = "move a weight a little and its output stays the same, so its gradient is 0 wherever it has one";

function makeInside(place) {
  const pick = choice("Network", networks.map((_, k) => [k, String(k + 1)]), 0, (value) => update({ network: Number(value) }));
  const without = () => ({ label: null, lines: state.lines === "gradients" ? "flow" : state.lines });
  const classes = [["", "(none)"], ...data.classes.map(({ name }, k) => [k, name])];
  const observed = choice("Observed class", classes, "", (value) => update(value === "" ? without() : { label: Number(value) }));
  const lines = element("fieldset", { class: "field lines" }, element("legend", {}, "Show"));
  const radios = LINES.map(([value, text]) => {
    const radio = element("input", { type: "radio", name: "lines", value, change: () => update({ lines: value }) });
    lines.append(element("label", {}, radio, value in TERMS ? explained(value) : "", text));
    return radio;
  });
  const told = element("p", { class: "hint" });
  const detail = element("div", { class: "panel detail", tabindex: 0, role: "region", "aria-label": "The sum of the chosen unit" });
  const stage = element("div", { class: "stage", role: "group", "aria-label": "Units of the network; arrow keys walk through them" });
  const numbers = element("div");
  const beside = element("div", { class: "beside" }, element("div", {}, stage, legendOfLines(BINS)), detail);
  place.append(element("div", { class: "bar" }, pick.label, observed.label, lines), told, beside, numbers);
  const draw = makeDrawing(stage, (unit) => update(unit ? { unit } : {}));

  addView(place, () => {
    pick.select.value = state.network;
    observed.select.value = state.label ?? "";
    radios.forEach((radio) => {
      radio.checked = radio.value === state.lines;
      radio.disabled = radio.value === "gradients" && state.label === null;
    });
    told.replaceChildren(...whichNetwork());
    const network = networks[state.network];
    const traced = trace(network, current.features);
    const gradients = state.label === null ? null : backward(traced, state.label, data.loss);
    const last = network.layers.length;
    const unit = state.unit ?? { layer: last, index: argmax(traced.logits) };
    draw(network, traced, picture(network, traced, gradients, state.lines), unit);
    detail.replaceChildren(...unitInWords(unit, network, traced, state.lines === "gradients" ? gradients : null));
    numbers.replaceChildren(...outputsInNumbers(traced, gradients));
  });
}

/** Say why this network: it never saw the row, or it was trained on it. */
function whichNetwork() {
  const its = `Network ${state.network + 1} of ${networks.length}`;
  const keeper = state.row === null ? -1 : data.table.held_out_by[state.row];
  if (keeper < 0) return [`${its}.`];
  return [`${its}: row ${data.table.numbers[state.row]} is `, explained("held out"), ` from ${keeper === state.network ? "it" : `network ${keeper + 1}`}.`];
}

function legendOfLines(hasBins) {
  const bins = hasBins ? ["", "a line from an input stands for its bins, too: for the sum of what they pass on, or the largest of their weights or gradients"] : null;
  return legend([legendLine("positive"), "positive"], [legendLine("negative", "6 4"), "negative; the thicker, the larger"], ["", "dashed unit: off, ReLU passes on 0"], bins);
}

/** The sum of one unit, written out. */
function unitInWords({ layer, index }, network, traced, gradients) {
  const names = unitNames(network);
  const title = element("h3", {}, `${layerTitle(network, layer)}: `, named(names[layer][index]));
  if (layer === 0) return [title, ...inputInWords(index, network, traced, gradients)];
  const sources = layer > 1 ? names[layer - 1].map((name) => `hidden ${name}`) : inputNames(network);
  if (gradients) return [title, ...gradientInWords({ layer, index }, sources, traced, gradients, names)];
  const { inputs, weights, biases, sums, outputs, fanOut } = traced.layers[layer - 1];
  const from = layer === 1 ? (BINS ? "input" : "scaled") : "passed on";
  const terms = sources.map((name, i) => [name, inputs[i], weights[i * fanOut + index]]);
  return [
    title,
    productsTable(["from", `${from} \u00d7 weight`], terms, 3, [
      ["bias", "", fixed(biases[index], 3)],
      ["sum", "", fixed(sums[index], 3)],
      ...(layer < traced.layers.length ? [["passes on", "ReLU(sum)", fixed(outputs[index], 3)]] : []),
    ]),
  ];
}

/** The largest products of [name, one, other], the sum of all others, and the rows that follow. */
function productsTable(headers, terms, digits, rows) {
  const sorted = [...terms].sort((a, b) => Math.abs(b[1] * b[2]) - Math.abs(a[1] * a[2]));
  const others = sorted.slice(MOST_TERMS);
  const sum = others.reduce((total, [, one, other]) => total + one * other, 0);
  return table(
    [...headers, "="],
    [
      ...sorted.slice(0, MOST_TERMS).map(([name, one, other]) => [named(name), `${fixed(one, 3)} \u00d7 ${fixed(other, digits)}`, fixed(one * other, digits)]),
      ...(others.length ? [[plural(others.length, "other"), "", fixed(sum, digits)]] : []),
      ...rows,
    ],
    { class: "numbers sum" },
  );
}

/** Names of what goes into the first layer: features and their bins. */
function inputNames({ places }) {
  const made = [];
  places.forEach((own, i) => own.forEach((input, t) => (made[input] = t ? `${data.features[i]} bin ${t}` : data.features[i])));
  return made;
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
  if (gradients) rows.push(["gradient", fixed(scaledGradients(network, traced, gradients)[index], 4)]);
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
  const [mean, scale, edges, height] = [network.means[index], network.scales[index], network.edges[index], network.heights[index]];
  const around = binsAround(index, network);
  const rows = around.map((t) => {
    const [lower, upper] = [edges[t], edges[t + 1]].map((edge) => edgeInWords(edge * scale + mean, (edges[t + 1] - edges[t]) * scale));
    return [String(t + 1), lower, upper, fixed(layers[0].inputs[bins[t]], 4)];
  });
  return [
    around.length ? table(["bin", "from", "to", "passed on"], rows, { class: "numbers sum" }) : null,
    element("p", { class: "hint" }, `${around.length ? "" : "It lies in none of its bins. "}Each of its ${plural(bins.length, "bin")} passes on how far the value has come through it, from 0 to 1, less 0.5${height < 1 ? `, times ${short(height)}, 1 / the root of their number` : ""}: ${short(height / 2)} if it is above, \u2212${short(height / 2)} if it is below; a bin without a width passes on 0.`),
  ].filter((one) => one);
}

/** An edge of a bin in its column's own unit, to three digits of the bin's width. */
function edgeInWords(value, width) {
  const step = 10 ** (Math.floor(Math.log10(width)) - 2);
  return step > 1e-300 && Number.isFinite(step) ? String(rounded(value, step)).replaceAll("-", "\u2212") : short(value);
}

/** How the gradient of one unit comes about, and what it makes of the weights before it. */
function gradientInWords({ layer, index }, sources, traced, gradients, names) {
  const { outputs: arrived, sums } = gradients[layer - 1];
  const { inputs, outputs } = traced.layers[layer - 1];
  const gradient = sums[index];
  const next = traced.layers[layer];
  const terms = next ? Array.from(gradients[layer].sums, (back, j) => [names[layer + 1][j], next.weights[index * next.fanOut + j], back]) : [];
  const words = data.loss === "cross-entropy" ? `${short(traced.probabilities[index])} \u2212 ${index === state.label ? 1 : 0}` : "";
  const ends = next ? [["gradient", "", fixed(arrived[index], 4)], ["after ReLU", outputs[index] > 0 ? "on: passes" : "off: blocked", fixed(gradient, 4)]] : [["gradient", words, fixed(gradient, 4)]];
  return [
    productsTable(["from behind", "weight \u00d7 gradient"], terms, 4, ends),
    productsTable(["its weights", "input \u00d7 gradient"], sources.map((name, i) => [name, inputs[i], gradient]), 4, [["bias", "", fixed(gradient, 4)]]),
  ];
}

/** Raw outputs, e^raw, softmax and argmax side by side; for an observed class also the way back. */
function outputsInNumbers({ logits, probabilities }, gradients) {
  const label = state.label;
  const most = Math.max(...logits);
  const shift = Math.abs(most) > LARGEST_EXPONENT ? Math.round(most) : 0;
  const best = argmax(logits);
  const shown = mostProbable(probabilities);
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
    element("p", {}, `Softmax divides each e^raw by their sum: the order stays, and all lie in 0 to 1 and add up to 1. Argmax puts a 1 at the largest. It answers, but it cannot train: ${ARGMAX_IS_FLAT} and nothing would flow back.`),
    lossInWords(logits, probabilities, own),
  ];
}

/** The classes in their order; of many the observed one and the most probable. */
function mostProbable(probabilities) {
  const order = [...probabilities.keys()];
  if (order.length <= MOST_BARS) return order;
  return order.sort((a, b) => (b === state.label) - (a === state.label) || probabilities[b] - probabilities[a]).slice(0, MOST_BARS);
}

function lossInWords(logits, probabilities, own) {
  if (state.label === null) return element("p", { class: "hint" }, "Choose an observed class to see the loss and its gradients.");
  const line = element("p", { class: "loss" }, "Observed: ", classNamed(state.label), `. Cross-entropy = \u2212ln(${short(own)}) = ${fixed(crossEntropy(logits, state.label), 4)} nats`);
  if (data.loss === "cross-entropy") line.append(". Its gradient with respect to the raw outputs is softmax \u2212 observed; each weight moves against its own.");
  else line.append(`; the squared residuals, which it was trained with, add up to ${fixed(squaredResiduals(probabilities, state.label), 4)}.`);
  return line;
}
