/* A drawing of one network: units in columns, and lines for what goes from one to the next. */

const MOST_AT_FIRST = 12;
const MOST_UNITS = 100;
const LEVELS = 12;
const MOST_LINES = 160;
const MOST_LINES_BESIDE_MAPS = 60;
const LONGEST_NAME = 18;
const BINS = data.network.sizes[0] - data.features.length;

/** Of each layer those units, in their own order, that pass most on for a row; of the last one the most probable classes. */
function unitsThatMatter(network, traced, most) {
  const { values, line } = picture(network, traced, null, "flow");
  return values.map((column, layer) => {
    const passed = (i) => values[layer + 1].reduce((sum, _, j) => sum + Math.abs(line(layer, i, j)), 0);
    const sizes = Array.from(column, (_, i) => (layer + 1 < values.length ? passed(i) : traced.probabilities[i]));
    return [...sizes.keys()].sort((i, j) => sizes[j] - sizes[i]).slice(0, most).sort((i, j) => i - j);
  });
}

/** Names of the units of each layer. */
function unitNames({ layers }) {
  const hidden = layers.slice(0, -1).map(({ fanOut }) => Array.from({ length: fanOut }, (_, j) => String(j + 1)));
  return [data.features, ...hidden, data.classes.map(({ name }) => name)];
}

function layerTitle({ layers }, place) {
  if (place === 0) return "input, scaled";
  return place === layers.length ? "raw output" : `hidden ${place}, ReLU`;
}

/**
 * What stands in the units and on the lines: values of each layer, and a function of two units.
 * From a feature with bins one line stands for all its inputs: the sum of what they pass on, or the
 * largest of their weights or gradients.
 */
function picture(network, traced, gradients, lines) {
  const [{ places }, { layers }] = [network, traced];
  const weight = (place, i, j) => layers[place].weights[i * layers[place].fanOut + j];
  const passed = (place, i, j) => layers[place].inputs[i] * weight(place, i, j);
  const gradient = (place, i, j) => layers[place].inputs[i] * gradients[place].sums[j];
  const joined = (value, join) => (place, i, j) => (place ? value(place, i, j) : places[i].reduce((joint, input) => join(joint, value(0, input, j)), 0));
  const larger = (one, other) => (Math.abs(other) > Math.abs(one) ? other : one);
  if (lines === "gradients") {
    return { values: [scaledGradients(network, traced, gradients), ...gradients.map(({ sums }) => sums)], line: joined(gradient, larger) };
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
 * Make a drawing in a place. What it returns draws a picture of a network, at first without the units that matter least
 * for the row; with `planes`, with a map of what each hidden unit passes on over two columns. `onunit` is told which unit
 * is pointed at, whose lines alone are clear; then null.
 */
function makeDrawing(place, onunit) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const stage = element("div", { class: "drawing" }, canvas);
  let known = { most: MOST_AT_FIRST };
  const toggle = () => {
    known = { most: known.most === MOST_UNITS ? MOST_AT_FIRST : MOST_UNITS };
    point(null);
  };
  const more = element("button", { type: "button", click: toggle }, "All units");
  place.append(stage);
  place.after(element("div", { class: "bar" }, more));
  let [names, units, titles] = [[], [], []];
  let [chosen, pointed] = [null, null];
  const point = (unit) => onunit((pointed = unit));

  function build(network, traced, planes) {
    if (known.network === network && known.values === state.values) return;
    const shown = unitsThatMatter(network, traced, known.most);
    // A unit with a map is the point of the drawing.
    if (planes) planes.hidden.forEach((_, place) => (shown[place + 1] = [...network.layers[place].biases.keys()]));
    const isSame = known.network === network && String(shown) === String(known.shown);
    known = { ...known, network, values: state.values, shown };
    if (isSame) return;
    names = unitNames(network);
    for (const unit of units) unit.node.remove();
    units = shown.flatMap((indices, layer) => indices.map((index, row) => ({ layer, index, row, ...makeUnit(layer, index, Boolean(planes?.hidden[layer - 1])) })));
    for (const title of titles) title.remove();
    titles = shown.map((indices, layer) => {
      const some = indices.length < names[layer].length ? ` (${indices.length}\u00a0of\u00a0${names[layer].length.toLocaleString("en")})` : "";
      return element("span", { class: "layer-title" }, layerTitle(network, layer) + some);
    });
    stage.append(...titles);
    more.hidden = known.most === MOST_AT_FIRST && shown.every((indices, layer) => indices.length === names[layer].length);
    more.textContent = known.most === MOST_AT_FIRST ? "All units" : "Only the units that matter most for this row";
  }

  function makeUnit(layer, index, hasMap) {
    const last = layer + 1 === names.length;
    const value = element("span", { class: "unit-value" });
    const name = layer === 0 ? named(names[0][index], { class: "unit-name before" }) : last ? element("span", { class: "unit-name after" }, classNamed(index)) : null;
    if (name) name.title = names[layer][index];
    const [enter, leave] = [() => point({ layer, index }), () => point(null)];
    const listeners = { mouseenter: enter, click: enter, focus: enter, mouseleave: leave, blur: leave, keydown: (event) => walk(event, layer, index) };
    const node = element("button", { class: hasMap ? "unit has-map" : "unit", type: "button", tabindex: -1, ...listeners }, value, name);
    stage.append(node);
    return { node, hasMap, value, name };
  }

  /** Arrow keys walk through the units of a layer and from layer to layer. */
  function walk(event, layer, index) {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    const here = units.find((unit) => unit.layer === layer && unit.index === index);
    const row = units.filter((unit) => unit.layer === layer + step[0]);
    if (!row.length) return;
    const places = step[0] ? Math.round((here.row * row.length) / units.filter((unit) => unit.layer === layer).length) : here.row - step[1];
    row[Math.max(0, Math.min(row.length - 1, places))].node.focus();
  }

  return function draw(network, traced, { values, line }, unit = null, planes = null) {
    if (!place.clientWidth) return;
    build(network, traced, planes);
    const layout = drawingLayout(names, units, place.clientWidth);
    const { width, height, xs, pill, pitch } = layout;
    Object.assign(stage.style, { width: `${width}px`, height: `${height}px` });
    const [positive, negative] = [styled("--positive"), styled("--negative")];
    const context = sharpened(canvas, width, height);
    const y = ({ layer, row }) => layout.top + (height - layout.top) / 2 + (row - (layout.counts[layer] - 1) / 2) * pitch[layer];
    const byLayer = xs.map((_, layer) => units.filter((one) => one.layer === layer));
    for (let layer = 0; layer + 1 < xs.length; layer++) {
      drawLines(context, byLayer[layer], byLayer[layer + 1], xs, pill, y, (i, j) => line(layer, i, j), positive, negative, pointed, planes ? MOST_LINES_BESIDE_MAPS : MOST_LINES);
    }
    const largest = values.map((column) => (column ? column.reduce((most, value) => Math.max(most, Math.abs(value)), 0) : 0));
    const isAt = (one) => units.find(({ layer, index }) => layer === one?.layer && index === one.index);
    chosen = isAt(unit) ?? isAt(pointed) ?? isAt(chosen) ?? units[0];
    for (const one of units) {
      const { node, hasMap, layer, index } = one;
      const value = values[layer] ? values[layer][index] : null;
      Object.assign(node.style, { left: `${xs[layer]}px`, top: `${y(one)}px`, width: `${pill}px` });
      const tint = value === null || !largest[layer] ? 0 : Math.abs(value) / largest[layer];
      node.style.setProperty("--tint", `${Math.round(55 * tint)}%`);
      node.style.setProperty("--sign", rgb(value < 0 ? negative : positive));
      node.classList.toggle("is-off", value === 0 && layer > 0);
      if (layer === 0) one.name.textContent = cutMiddle(names[0][index], LONGEST_NAME);
      if (hasMap) node.style.height = `${layout.map + 18}px`;
      if (hasMap) drawMap(context, planes, one, [xs[layer] - pill / 2, y(one) - layout.map / 2 - 9, pill, layout.map]);
      const text = value === null ? "" : fixed(value, Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0);
      if (one.value.textContent !== text) one.value.textContent = text;
      const isChosen = one === chosen;
      node.classList.toggle("is-chosen", isChosen && isAt(unit) === one);
      node.tabIndex = isChosen ? 0 : -1;
      node.setAttribute("aria-label", `${layerTitle(network, layer)}, ${names[layer][index]}: ${text || "no value"}`);
      node.setAttribute("aria-pressed", isChosen);
    }
    titles.forEach((title, layer) => Object.assign(title.style, { left: `${xs[layer]}px`, maxWidth: `${xs[1] - xs[0] - 6}px` }));
  };
}

/** Where the columns of units stand, and how far their units are apart. */
function drawingLayout(names, units, available) {
  const counts = names.map((_, layer) => units.filter((unit) => unit.layer === layer).length);
  const pill = 44;
  const letters = (layer) => 24 + (available < 420 ? 6.2 : 7.5) * Math.max(...names[layer].map((name) => Math.min(name.length, LONGEST_NAME + 2)));
  const [before, after] = [letters(0), letters(names.length - 1) + 10];
  // What does not fit scrolls.
  const width = Math.max(available, before + after + names.length * pill + (names.length - 1) * 44);
  const from = before + pill / 2;
  const to = width - after - pill / 2;
  const xs = counts.map((_, layer) => from + ((to - from) * layer) / (names.length - 1));
  const hasMaps = units.some(({ hasMap }) => hasMap);
  const map = Math.max(16, Math.min(pill, 560 / Math.max(...counts.slice(1, -1)) - 24));
  const steps = counts.map((_, layer) => (hasMaps && layer && layer < names.length - 1 ? map + 26 : 20));
  const tall = Math.max(120, ...counts.map((count, layer) => count * steps[layer]));
  const top = available < 420 ? 50 : 34;
  const pitch = counts.map((count, layer) => Math.min(hasMaps ? map + 36 : 64, (tall - steps[layer]) / Math.max(count - 1, 1)));
  return { counts, pill, map, xs, pitch, top, width, height: top + tall };
}

/** What one hidden unit passes on over two columns, in a rectangle. */
function drawMap(context, { hidden, x, y }, { layer, index }, rectangle) {
  const map = new OffscreenCanvas(x.values.length, y.values.length);
  map.getContext("2d").putImageData(unitImage(hidden[layer - 1], map.width, map.height, index), 0, 0);
  context.drawImage(map, ...rectangle);
}

/**
 * A line is the thicker, the larger its value; negative ones are dashed. The largest come on top.
 * Lines of about the same size are one path, and only the largest are drawn: that takes time. Where a unit is pointed at,
 * all lines but its own are faint.
 */
function drawLines(context, below, above, xs, pill, y, value, positive, negative, pointed, most) {
  const isAt = (unit) => pointed?.layer === unit.layer && pointed.index === unit.index;
  const lines = below.flatMap((from) => above.map((to) => ({ from, to, value: value(from.index, to.index), isFaint: Boolean(pointed) && !isAt(from) && !isAt(to) })));
  lines.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const largest = Math.abs(lines[0]?.value ?? 0);
  const paths = new Map();
  for (const line of lines.slice(0, most)) {
    const level = Math.ceil((Math.abs(line.value) / largest) * LEVELS - 0.3);
    if (!(level >= 1)) continue;
    // In the order in which they are drawn.
    const key = (line.isFaint ? 0 : 2 * LEVELS) + 2 * level - (line.value < 0 ? 1 : 0);
    if (!paths.has(key)) paths.set(key, { ...line, size: level / LEVELS, path: new Path2D() });
    const { path } = paths.get(key);
    path.moveTo(xs[line.from.layer] + pill / 2, y(line.from));
    path.lineTo(xs[line.to.layer] - pill / 2, y(line.to));
  }
  for (const key of [...paths.keys()].sort((a, b) => a - b)) {
    const { path, value: sign, size, isFaint } = paths.get(key);
    context.lineWidth = isFaint ? 0.5 : 0.4 + 4 * size;
    context.strokeStyle = rgb(sign < 0 ? negative : positive, isFaint ? 0.1 : 0.1 + 0.7 * size);
    context.setLineDash(sign < 0 ? [5, 3] : []);
    context.stroke(path);
  }
}
