/* The prediction at each point of two columns, as a picture. */

const FINE = 90;
const COARSE = 26;
const PIXELS = 5;
const MILLISECONDS = 6;
const FURTHEST = 8e307;
const FEW_ROWS = 500;
const FAINTEST = 0.22;
const QUERY = new Path2D("M8 0A8 8 0 1 1 -8 0A8 8 0 1 1 8 0M4 0H14M-4 0H-14M0 4V14M0 -4V-14");
const RING = new Path2D("M2 0A2 2 0 1 1 -2 0A2 2 0 1 1 2 0");

/** One side of the regions: the values along it, and where a value stands on it, in 0 to 1. */
function makeAxis(column, points) {
  const choices = choicesOf(column);
  if (choices) {
    const values = [...choices, ...(column.has_missing ? [null] : [])];
    return {
      values,
      isSmooth: false,
      at(value, spread = 0) {
        const place = values.indexOf(value);
        return place < 0 ? null : (place + 0.5 + 0.7 * spread) / values.length;
      },
      valueAt: (place) => values[Math.max(0, Math.min(values.length - 1, Math.floor(place * values.length)))],
      step: 1 / values.length,
      ticks: values.map((value, i) => [(i + 0.5) / values.length, valueInWords(column, value)]),
    };
  }
  const { low, high } = column.histogram ?? { low: column.minimum, high: column.maximum };
  const margin = 0.05 * (high - low) || 0.05 * Math.abs(high) || 0.5;
  // The distance of what is further apart would be infinite.
  const [from, to] = [Math.max(low - margin, -FURTHEST), Math.min(high + margin, FURTHEST)];
  const valueAt = (place) => from + Math.max(0, Math.min(1, place)) * (to - from);
  return {
    isSmooth: true,
    values: Array.from({ length: points }, (_, i) => valueAt((i + 0.5) / points)),
    at: (value) => (value === null || value < from || value > to ? null : (value - from) / (to - from)),
    valueAt: (place) => rounded(valueAt(place), column.whole ? 1 : 10 ** Math.floor(Math.log10((to - from) / 500))),
    step: Math.max(0.02, column.whole ? 1 / (to - from) : 0),
    ticks: roundTicks(from, to).map((value) => [(value - from) / (to - from), short(value)]),
  };
}

function rounded(value, step) {
  return step > 1e-300 ? Number((Math.round(value / step) * step).toPrecision(12)) : value;
}

function roundTicks(from, to) {
  const rough = (to - from) / 5;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * size).find((one) => one >= rough);
  if (!(step > 0) || !Number.isFinite(step)) return [];
  const ticks = [];
  for (let k = Math.ceil(from / step); k * step <= to && ticks.length < 12; k++) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

/**
 * Predict all points of two columns, the others as they are: the mean probabilities of each and, of a single network,
 * what each unit of its hidden layers passes on.
 *
 * The first layer's sums are the bias and what each column adds to it, so only what the two columns
 * add has to be calculated along their axes, and added up at each point.
 */
function predictPlane(networks, values, x, y, xs, ys) {
  const classes = data.classes.length;
  const points = xs.length * ys.length;
  const means = new Float64Array(points * classes);
  const layers = networks.length > 1 ? [] : networks[0].layers.slice(0, -1);
  const hidden = layers.map(({ fanOut }) => new Float64Array(points * fanOut));
  for (const network of networks) {
    const rest = new Float64Array(network.layers[0].fanOut).map((_, j) => network.layers[0].biases[j]);
    columns.forEach((_, c) => c === x || c === y || addSums(rest, network, c, values[c]));
    const ofX = xs.map((value) => addSums(new Float64Array(rest.length), network, x, value));
    const ofY = ys.map((value) => addSums(Float64Array.from(rest), network, y, value));
    const buffers = network.layers.map(({ fanOut }) => new Float64Array(fanOut));
    let at = 0;
    for (const below of ofY) {
      for (const beside of ofX) {
        let outputs = buffers[0];
        for (let j = 0; j < outputs.length; j++) outputs[j] = below[j] + beside[j];
        for (let place = 1; place < buffers.length; place++) {
          for (let j = 0; j < outputs.length; j++) if (outputs[j] < 0) outputs[j] = 0;
          hidden[place - 1]?.set(outputs, (at / classes) * outputs.length);
          outputs = dense(outputs, network.layers[place], buffers[place]);
        }
        let largest = -Infinity;
        for (let k = 0; k < classes; k++) if (outputs[k] > largest) largest = outputs[k];
        let sum = 0;
        for (let k = 0; k < classes; k++) sum += outputs[k] = Math.exp(outputs[k] - largest);
        for (let k = 0; k < classes; k++) means[at++] += outputs[k] / sum;
      }
    }
  }
  return { means: means.map((sum) => sum / networks.length), hidden };
}

/** Add to the first layer's sums what one column contributes. */
function addSums(sums, network, column, value) {
  const { weights, fanOut } = network.layers[0];
  columnFeatures(columns[column], value).forEach((feature, f) => {
    const i = firstFeatures[column] + f;
    prepared(feature, i, network).forEach((input, n) => {
      const place = network.places[i][n];
      if (input) for (let j = 0; j < fanOut; j++) sums[j] += input * weights[place * fanOut + j];
    });
  });
  return sums;
}

const firstFeatures = columns.reduce((starts, column) => [...starts, starts.at(-1) + columnFeatures(column, null).length], [0]);

/** A picture whose pixels tell how far they are from paper to a colour; the first row of an image is its top, of a plane its bottom. */
function imageOf(width, height, pixel) {
  const paper = styled("--paper");
  const image = new ImageData(width, height);
  let at = 0;
  for (let row = height - 1; row >= 0; row--) {
    for (let column = 0; column < width; column++) {
      const [strength, colour] = pixel(row, column);
      for (let part = 0; part < 3; part++) image.data[at++] = paper[part] + strength * (colour[part] - paper[part]);
      image.data[at++] = 255;
    }
  }
  return image;
}

/** Colour each point by its prediction, as `minnet plot regions` does, and smoothly between points. */
function planeImage(plane, width, xs, ys) {
  const [classes, means] = [data.classes.length, new Float64Array(data.classes.length)];
  return imageOf(xs.length, ys.length, (row, column) => {
    const [[below, above, up], [left, right, along]] = [ys[row], xs[column]];
    for (let k = 0; k < classes; k++) {
      const at = (y, x) => plane[(y * width + x) * classes + k];
      const low = (1 - along) * at(below, left) + along * at(below, right);
      means[k] = (1 - up) * low + up * ((1 - along) * at(above, left) + along * at(above, right));
    }
    return [0.05 + (0.65 * (Math.max(...means) - 1 / classes)) / (1 - 1 / classes), data.classes[predictedClass(means)].colour];
  });
}

/** What one unit passes on at each point: from paper, where that is 0, to the colour, where it is most. */
function unitImage(outputs, width, height, unit) {
  const fanOut = outputs.length / (width * height);
  let largest = 1e-300;
  for (let at = unit; at < outputs.length; at += fanOut) largest = Math.max(largest, outputs[at]);
  const colour = styled("--positive");
  return imageOf(width, height, (row, column) => [outputs[(row * width + column) * fanOut + unit] / largest, colour]);
}

/** Places of an image's pixels among points: the one before, the one after, and how far between them. */
function between(points, isSmooth) {
  if (!isSmooth) return Array.from({ length: points }, (_, i) => [i, i, 0]);
  return Array.from({ length: points * PIXELS }, (_, pixel) => {
    const place = Math.max(0, Math.min(points - 1, (pixel + 0.5) / PIXELS - 0.5));
    const before = Math.min(points - 2, Math.floor(place));
    return [before, before + 1, place - before];
  });
}

/**
 * Make a plane in a canvas; what it returns draws it for some networks, whose `version` tells them apart, with as many
 * points a side as a frame of the screen allows, and a little later with the finest. Of a hidden `unit` it shows what it
 * passes on. `isRinged` and `isHollow` tell how a row is marked.
 */
function makePlane(canvas, { finest = FINE, isRinged = () => false, isHollow = () => false }) {
  const [regions, rows] = [document.createElement("canvas"), document.createElement("canvas")];
  let known = { key: "", points: 0 };
  let quick = COARSE;
  let frame = null;
  let later = 0;

  function draw(networks, version, points, unit) {
    const width = canvas.parentElement?.clientWidth;
    if (!width) return null;
    const side = { left: 58, right: 10, top: 10, bottom: 46 };
    const height = Math.min(480, Math.max(300, 0.62 * width));
    const [x, y] = [makeAxis(columns[state.x], points), makeAxis(columns[state.y], points)];
    frame = { x, y, left: side.left, top: side.top, width: width - side.left - side.right, height: height - side.top - side.bottom };
    const place = JSON.stringify([state.x, state.y, width, css("--paper"), window.devicePixelRatio]);
    const others = state.values.map((value, i) => (i === state.x || i === state.y ? 0 : typeof value === "symbol" ? [] : value));
    const key = JSON.stringify([version, unit, others, place]);
    if (key !== known.key || points > known.points) {
      const planes = { ...predictPlane(networks, state.values, state.x, state.y, x.values, y.values), networks, x, y };
      Object.assign(known, { key, points, planes });
      const outputs = unit && planes.hidden[unit.layer - 1];
      const [xs, ys] = [x, y].map(({ values, isSmooth }) => between(values.length, isSmooth));
      const image = outputs ? unitImage(outputs, x.values.length, y.values.length, unit.index) : planeImage(planes.means, x.values.length, xs, ys);
      regions.width = image.width;
      regions.height = image.height;
      regions.getContext("2d").putImageData(image, 0, 0);
    }
    // Rows take long: where only their distances have changed, they follow with the finest points.
    if (place !== known.place || (points === finest && String(others) !== known.others)) {
      Object.assign(known, { place, others: String(others) });
      drawRows(sharpened(rows, width, height), frame, data.table?.labels.length > FEW_ROWS ? 2.2 : 4, isRinged, isHollow);
    }
    const context = sharpened(canvas, width, height);
    context.imageSmoothingEnabled = x.isSmooth && y.isSmooth;
    context.drawImage(regions, frame.left, frame.top, frame.width, frame.height);
    drawAxes(context, frame);
    context.drawImage(rows, 0, 0, width, height);
    drawQuery(context, frame);
    return known.planes;
  }

  function drawQuickly(networks, version, unit = null) {
    const start = performance.now();
    const planes = draw(networks, version, quick, unit);
    const took = performance.now() - start;
    if (took > MILLISECONDS) quick = Math.max(10, Math.round(quick * 0.8));
    else if (took < MILLISECONDS / 3) quick = Math.min(COARSE, quick + 1);
    clearTimeout(later);
    later = setTimeout(() => draw(networks, version, finest, unit), 100);
    return planes;
  }

  return { draw: drawQuickly, frame: () => frame };
}

const pointIn = (frame, x, y) => [frame.left + x * frame.width, frame.top + (1 - y) * frame.height];

function drawAxes(context, { x, y, left, top, width, height }) {
  const write = (colour, align, text, room, at, down) => {
    Object.assign(context, { fillStyle: css(colour), textAlign: align, font: `12px ${css("--font")}` });
    context.fillText(cut(context, text, room), at, down);
  };
  let free = -Infinity;
  for (const [place, text] of x.ticks) {
    const [at, half] = [left + place * width, context.measureText(cut(context, text, 90)).width / 2];
    if (at - half < free) continue;
    free = at + half + 6;
    write("--soft", "center", text, 90, Math.min(at, left + width - half), top + height + 16);
  }
  for (const [place, text] of y.ticks) write("--soft", "right", text, left - 8, left - 6, top + (1 - place) * height + 4);
  write("--ink", "center", columns[state.x].name, width, left + width / 2, top + height + 38);
  context.save();
  context.translate(12, top + height / 2);
  context.rotate(-Math.PI / 2);
  if (columns[state.y].kind === "number") write("--ink", "center", columns[state.y].name, height, 0, 0);
  context.restore();
}

/** Leave out the end of a text that is too wide. */
function cut(context, text, width) {
  let letters = [...text];
  if (context.measureText(text).width <= width) return text;
  while (letters.length > 1 && context.measureText(`${letters.join("")}\u2026`).width > width) letters.pop();
  return `${letters.join("")}\u2026`;
}

/** Where the labelled rows of the table stand that have a value in both columns: [row, left, top] each. */
function placesOfRows(frame) {
  const { cells, labels, numbers } = data.table ?? { labels: [] };
  return labels.flatMap((label, row) => {
    const x = label < 0 ? null : frame.x.at(cells[state.x][row], spreadOf(numbers[row]));
    const y = label < 0 ? null : frame.y.at(cells[state.y][row], spreadOf(numbers[row] + 0.5));
    return x === null || y === null ? [] : [[row, ...pointIn(frame, x, y)]];
  });
}

/** Spread the rows of one category over its band; by chance, but always alike. */
function spreadOf(number) {
  return randomNumbers(Math.round(number * 2))() - 0.5;
}

/** How far a row is from the inputs above in the columns that are not drawn: 1 is half a standard deviation, 2 another category. */
function distanceToOthers(row) {
  const { cells } = data.table;
  const away = columns.map((column, i) => {
    const [value, own] = [cells[i][row], state.values[i]];
    if (i === state.x || i === state.y || value === own) return 0;
    return column.kind === "number" && value !== null && own !== null ? Math.abs(value - own) / (0.5 * networks[0].scales[firstFeatures[i]] || Infinity) : 2;
  });
  return Math.max(...away);
}

/** Rows of the table as markers, the fainter, the further they are from the inputs above. */
function drawRows(context, frame, size, isRinged, isHollow) {
  const { labels } = data.table ?? {};
  const [ink, rim, paper] = [css("--ink"), css("--rim"), css("--paper")];
  const paths = data.classes.map(({ marker }) => new Path2D(MARKERS[marker]));
  for (const [row, left, top] of placesOfRows(frame)) {
    const [path, colour, hollow] = [paths[labels[row]], rgb(data.classes[labels[row]].colour), isHollow(row)];
    context.save();
    context.translate(left, top);
    context.scale(size, size);
    context.globalAlpha = clip(1 / distanceToOthers(row), FAINTEST, 1);
    context.lineWidth = 1 / 3;
    context.strokeStyle = ink;
    if (isRinged(row)) context.stroke(RING);
    context.lineWidth = hollow ? 0.5 : 0.25;
    context.fillStyle = hollow ? paper : colour;
    context.strokeStyle = hollow ? colour : rim;
    context.fill(path);
    context.stroke(path);
    context.restore();
  }
}

function drawQuery(context, frame) {
  const [x, y] = [frame.x.at(state.values[state.x]), frame.y.at(state.values[state.y])];
  if (x === null || y === null) return;
  context.save();
  context.translate(...pointIn(frame, x, y));
  for (const [width, colour] of [[5, "--paper"], [2, "--ink"]]) {
    context.lineWidth = width;
    context.strokeStyle = css(colour);
    context.stroke(QUERY);
  }
  context.restore();
}
