/* A drawing of one network: units in columns, and lines for what goes from one to the next. */

const MOST_UNITS = 40;
const LEVELS = 12;
const BINS = data.network.sizes[0] - data.features.length;

/** Which units of each layer are drawn: those with the largest weights in and out, in their own order. */
function strongestUnits(network) {
  const { layers, places } = network;
  const ofInputs = sizesOfWeights(layers[0], 0);
  const ofFeatures = places.map((own) => own.reduce((sum, input) => sum + ofInputs[input], 0));
  const sizes = [places.length, ...layers.map((layer) => layer.fanOut)];
  return sizes.map((size, place) => {
    const arriving = place ? sizesOfWeights(layers[place - 1], 1) : null;
    const leaving = place === 0 ? ofFeatures : place < layers.length ? sizesOfWeights(layers[place], 0) : null;
    const strength = (i) => (arriving ? arriving[i] : 1) * (leaving ? leaving[i] : 1);
    const order = Array.from({ length: size }, (_, i) => i).sort((a, b) => strength(b) - strength(a));
    return order.slice(0, MOST_UNITS).sort((a, b) => a - b);
  });
}

/** Sum of the sizes of all weights of each input (axis 0) or of each output (axis 1). */
function sizesOfWeights({ weights, fanIn, fanOut }, axis) {
  const sums = new Float64Array(axis ? fanOut : fanIn);
  weights.forEach((weight, at) => (sums[axis ? at % fanOut : Math.floor(at / fanOut)] += Math.abs(weight)));
  return sums;
}

/** Names of the units of each layer. */
function unitNames() {
  const { sizes } = data.network;
  return sizes.map((size, place) => {
    if (place === 0) return data.features;
    if (place + 1 === sizes.length) return data.classes.map(({ name }) => name);
    return Array.from({ length: size }, (_, j) => String(j + 1));
  });
}

function layerTitle(place) {
  const last = data.network.sizes.length - 1;
  if (place === 0) return "input, scaled";
  return place === last ? "raw output" : `hidden ${place}, ReLU`;
}

/**
 * What stands in the units and on the lines: values of each layer, and a function of two units.
 * From a feature with bins one line stands for all its inputs: the sum of what they pass on, or the
 * largest of their weights or gradients.
 */
function picture({ places }, traced, gradients, lines) {
  const { layers } = traced;
  const weight = (place, i, j) => layers[place].weights[i * layers[place].fanOut + j];
  const passed = (place, i, j) => layers[place].inputs[i] * weight(place, i, j);
  const gradient = (place, i, j) => layers[place].inputs[i] * gradients[place].sums[j];
  const joined = (value, join) => (place, i, j) => (place ? value(place, i, j) : places[i].reduce((joint, input) => join(joint, value(0, input, j)), 0));
  const larger = (one, other) => (Math.abs(other) > Math.abs(one) ? other : one);
  if (lines === "gradients") {
    return { values: [gradients[0].scaled, ...gradients.map(({ sums }) => sums)], line: joined(gradient, larger) };
  }
  if (lines === "weights") {
    return { values: [null, ...layers.map(({ biases }) => biases)], line: joined(weight, larger) };
  }
  return {
    values: [layers[0].inputs.subarray(0, places.length), ...layers.map(({ outputs }) => outputs)],
    line: joined(passed, (sum, one) => sum + one),
  };
}

/**
 * Make a drawing in a place. What it returns draws a picture of a network; `onunit` is told which unit is pointed at.
 */
function makeDrawing(place, onunit) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const stage = element("div", { class: "drawing" }, canvas);
  place.append(stage);
  const names = unitNames();
  let units = [];
  let shownFor = null;
  let chosen = { layer: 0, index: 0 };

  function build(shown) {
    for (const unit of units) unit.node.remove();
    units = shown.flatMap((indices, layer) => indices.map((index, row) => ({ layer, index, row, node: makeUnit(layer, index) })));
    for (const old of stage.querySelectorAll(".layer-title")) old.remove();
    shown.forEach((indices, layer) => {
      const some = indices.length < names[layer].length ? ` (${indices.length} of ${names[layer].length.toLocaleString("en")})` : "";
      stage.append(element("span", { class: "layer-title" }, layerTitle(layer) + some));
    });
  }

  function makeUnit(layer, index) {
    const last = layer + 1 === names.length;
    const node = element("button", {
      class: "unit",
      type: "button",
      tabindex: -1,
      mouseenter: () => onunit({ layer, index }),
      click: () => onunit({ layer, index }),
      focus: () => onunit({ layer, index }),
      keydown: (event) => walk(event, layer, index),
    });
    const value = element("span", { class: "unit-value" });
    node.append(value);
    const name = layer === 0 ? named(names[0][index], { class: "unit-name before" }) : last ? element("span", { class: "unit-name after" }, classNamed(index)) : null;
    if (name) {
      name.title = names[layer][index];
      node.append(name);
    }
    stage.append(node);
    return node;
  }

  /** Arrow keys walk through the units of a layer and from layer to layer. */
  function walk(event, layer, index) {
    const steps = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const here = units.find((unit) => unit.layer === layer && unit.index === index);
    const row = units.filter((unit) => unit.layer === layer + step[0]);
    if (!row.length) return;
    const places = step[0] ? Math.round((here.row * row.length) / units.filter((unit) => unit.layer === layer).length) : here.row + step[1];
    row[Math.max(0, Math.min(row.length - 1, places))].node.focus();
  }

  return function draw(network, traced, { values, line }, unit = null) {
    if (!place.clientWidth) return;
    if (shownFor !== network) build(strongestUnits((shownFor = network)));
    const layout = drawingLayout(names, units, place.clientWidth);
    const { width, height, xs, pill, pitch } = layout;
    stage.style.width = `${width}px`;
    stage.style.height = `${height}px`;
    stage.classList.toggle("narrow", layout.isNarrow);
    const longest = layout.isNarrow ? 9 : 18;
    const [positive, negative] = [styled("--positive"), styled("--negative")];
    const context = sharpened(canvas, width, height);
    const y = ({ layer, row }) => layout.top + (height - layout.top) / 2 + (row - (layout.counts[layer] - 1) / 2) * pitch[layer];
    const byLayer = xs.map((_, layer) => units.filter((one) => one.layer === layer));
    for (let layer = 0; layer + 1 < xs.length; layer++) {
      drawLines(context, byLayer[layer], byLayer[layer + 1], xs, pill, y, (i, j) => line(layer, i, j), positive, negative);
    }
    const largest = values.map((column) => (column ? column.reduce((most, value) => Math.max(most, Math.abs(value)), 0) : 0));
    chosen = unit ?? chosen;
    for (const one of units) {
      const { node, layer, index } = one;
      const value = values[layer] ? values[layer][index] : null;
      node.style.left = `${xs[layer]}px`;
      node.style.top = `${y(one)}px`;
      node.style.width = `${pill}px`;
      const tint = value === null || !largest[layer] ? 0 : Math.abs(value) / largest[layer];
      node.style.setProperty("--tint", `${Math.round(55 * tint)}%`);
      node.style.setProperty("--sign", rgb(value < 0 ? negative : positive));
      node.classList.toggle("is-off", value === 0 && layer > 0);
      if (layer === 0) node.lastChild.textContent = cutMiddle(names[0][index], longest);
      const text = value === null ? "" : fixed(value, Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0);
      if (node.firstChild.textContent !== text) node.firstChild.textContent = text;
      const isChosen = chosen.layer === layer && chosen.index === index;
      node.classList.toggle("is-chosen", isChosen && unit !== null);
      node.tabIndex = isChosen ? 0 : -1;
      node.setAttribute("aria-label", `${layerTitle(layer)}, ${names[layer][index]}: ${text || "no value"}`);
      node.setAttribute("aria-pressed", isChosen);
    }
    for (const [layer, title] of [...stage.querySelectorAll(".layer-title")].entries()) {
      title.style.left = `${xs[layer]}px`;
      title.style.maxWidth = `${xs[1] - xs[0] - 6}px`;
    }
  };
}

/** Where the columns of units stand, and how far their units are apart. */
function drawingLayout(names, units, available) {
  const counts = names.map((_, layer) => units.filter((unit) => unit.layer === layer).length);
  const isNarrow = available < 420;
  const pill = isNarrow ? 38 : 44;
  const letters = (layer) => 24 + 7.5 * Math.max(...names[layer].map((name) => Math.min(name.length, 20)));
  const before = isNarrow ? 76 : Math.min(letters(0), 0.24 * available, 160);
  const after = isNarrow ? 20 : Math.min(letters(names.length - 1) + 10, 0.22 * available, 150);
  // What does not fit scrolls.
  const width = Math.max(available, before + after + names.length * pill + (names.length - 1) * 44);
  const from = before + pill / 2;
  const to = width - after - pill / 2;
  const xs = counts.map((_, layer) => from + ((to - from) * layer) / (names.length - 1));
  const step = 20;
  const tallest = Math.max(...counts, 6);
  const top = 34;
  const pitch = counts.map((count) => Math.min(64, (step * (tallest - 1)) / Math.max(count - 1, 1)));
  return { counts, pill, xs, pitch, top, width, isNarrow, height: top + step * tallest };
}

/**
 * A line is the thicker, the larger its value; negative ones are dashed. The largest come on top.
 * Lines of about the same size are one path: it is the number of paths that takes time.
 */
function drawLines(context, below, above, xs, pill, y, value, positive, negative) {
  const lines = below.flatMap((from) => above.map((to) => ({ from, to, value: value(from.index, to.index) })));
  const largest = lines.reduce((most, line) => Math.max(most, Math.abs(line.value)), 0);
  if (!largest) return;
  for (let level = 1; level <= LEVELS; level++) {
    for (const isNegative of [true, false]) {
      context.beginPath();
      for (const { from, to, value } of lines) {
        if (value < 0 !== isNegative || Math.ceil((Math.abs(value) / largest) * LEVELS - 0.3) !== level) continue;
        context.moveTo(xs[from.layer] + pill / 2, y(from));
        context.lineTo(xs[to.layer] - pill / 2, y(to));
      }
      const size = level / LEVELS;
      context.lineWidth = 0.4 + 4 * size;
      context.strokeStyle = rgb(isNegative ? negative : positive, 0.1 + 0.7 * size);
      context.setLineDash(isNegative ? [5, 3] : []);
      context.stroke();
    }
  }
  context.setLineDash([]);
}
