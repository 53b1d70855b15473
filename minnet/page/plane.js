/* The prediction at each point of two columns, as a picture. */

const FINE = 90;
const COARSE = 26;
const PIXELS = 5;
const MILLISECONDS = 6;
const FURTHEST = 8e307;
const FEW_ROWS = 500;

/** One side of the regions: the values along it, and where a value stands on it, in 0 to 1. */
function makeAxis(column, points) {
  const choices = choicesOf(column);
  if (choices) {
    const values = [...choices, ...(column.has_missing ? [null] : [])];
    return {
      values,
      isSmooth: false,
      at(value, row = null) {
        const place = values.indexOf(value);
        // Rows of one category are spread over its band.
        const spread = row === null ? 0 : (((row * 0.618034) % 1) - 0.5) * 0.7;
        return place < 0 ? null : (place + 0.5 + spread) / values.length;
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
 * Predict all points of two columns, the others as they are: label and probability of each.
 *
 * The first layer's sums are the bias and what each column adds to it, so only what the two columns
 * add has to be calculated along their axes, and added up at each point.
 */
function predictPlane(networks, values, x, y, xs, ys) {
  const classes = data.classes.length;
  const means = new Float64Array(xs.length * ys.length * classes);
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
  return means.map((sum) => sum / networks.length);
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

/** Colour each point by its prediction, as `minnet plot regions` does, and smoothly between points. */
function planeImage(plane, width, xs, ys) {
  const classes = data.classes.length;
  const paper = styled("--paper");
  const image = new ImageData(xs.length, ys.length);
  const means = new Float64Array(classes);
  let at = 0;
  // The first row of an image is its top, the first of the plane its bottom.
  for (const [below, above, up] of ys.reverse()) {
    for (const [left, right, along] of xs) {
      let best = 0;
      for (let k = 0; k < classes; k++) {
        const low = (1 - along) * plane[(below * width + left) * classes + k] + along * plane[(below * width + right) * classes + k];
        const high = (1 - along) * plane[(above * width + left) * classes + k] + along * plane[(above * width + right) * classes + k];
        means[k] = (1 - up) * low + up * high;
        if (means[k] > means[best]) best = k;
      }
      const strength = 0.05 + (0.65 * (means[best] - 1 / classes)) / (1 - 1 / classes);
      const { colour } = data.classes[best];
      for (let part = 0; part < 3; part++) image.data[at++] = paper[part] + strength * (colour[part] - paper[part]);
      image.data[at++] = 255;
    }
  }
  return image;
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
 * Make a plane in a canvas; what it returns draws it for some networks, whose `version` tells them
 * apart: `draw` with so many points a side, `drawQuickly` with as many as a frame of the screen allows.
 */
function makePlane(canvas) {
  const [regions, rows] = [document.createElement("canvas"), document.createElement("canvas")];
  let known = { key: "", points: 0, rows: "" };
  let quick = COARSE;
  let frame = null;

  function draw(networks, version, points) {
    const width = canvas.parentElement?.clientWidth;
    if (!width) return;
    const side = { left: 58, right: 10, top: 10, bottom: 46 };
    const height = Math.min(480, Math.max(300, 0.62 * width));
    const [x, y] = [makeAxis(columns[state.x], points), makeAxis(columns[state.y], points)];
    frame = { x, y, left: side.left, top: side.top, width: width - side.left - side.right, height: height - side.top - side.bottom };
    const place = JSON.stringify([state.x, state.y, width, css("--paper"), window.devicePixelRatio]);
    const others = state.values.map((value, i) => (i === state.x || i === state.y ? 0 : typeof value === "symbol" ? [] : value));
    const key = JSON.stringify([version, others, place]);
    if (key !== known.key || points > known.points) {
      Object.assign(known, { key, points });
      const means = predictPlane(networks, state.values, state.x, state.y, x.values, y.values);
      const [xs, ys] = [x, y].map(({ values, isSmooth }) => between(values.length, isSmooth));
      regions.width = xs.length;
      regions.height = ys.length;
      regions.getContext("2d").putImageData(planeImage(means, x.values.length, xs, ys), 0, 0);
    }
    if (place !== known.rows) {
      known.rows = place;
      drawRows(sharpened(rows, width, height), frame, data.table?.labels.length > FEW_ROWS ? 2.2 : 4);
    }
    const context = sharpened(canvas, width, height);
    context.imageSmoothingEnabled = x.isSmooth && y.isSmooth;
    context.drawImage(regions, frame.left, frame.top, frame.width, frame.height);
    drawAxes(context, frame, height);
    context.drawImage(rows, 0, 0, width, height);
    drawQuery(context, frame, 8);
  }

  function drawQuickly(networks, version) {
    const start = performance.now();
    draw(networks, version, quick);
    const took = performance.now() - start;
    if (took > MILLISECONDS) quick = Math.max(10, Math.round(quick * 0.8));
    else if (took < MILLISECONDS / 3) quick = Math.min(COARSE, quick + 1);
  }

  return { draw, drawQuickly, frame: () => frame };
}

const pointIn = (frame, x, y) => [frame.left + x * frame.width, frame.top + (1 - y) * frame.height];

function drawAxes(context, frame, height) {
  context.fillStyle = css("--soft");
  context.font = `12px ${css("--font")}`;
  context.textAlign = "center";
  let free = -Infinity;
  for (const [place, text] of frame.x.ticks) {
    const x = frame.left + place * frame.width;
    const shown = cut(context, text, 90);
    const half = context.measureText(shown).width / 2;
    if (x - half < free) continue;
    free = x + half + 6;
    context.fillText(shown, Math.min(x, frame.left + frame.width - half), frame.top + frame.height + 16);
  }
  context.textAlign = "right";
  for (const [place, text] of frame.y.ticks) context.fillText(cut(context, text, frame.left - 8), frame.left - 6, frame.top + (1 - place) * frame.height + 4);
  context.fillStyle = css("--ink");
  context.textAlign = "center";
  context.fillText(cut(context, columns[state.x].name, frame.width), frame.left + frame.width / 2, height - 8);
  context.save();
  context.translate(12, frame.top + frame.height / 2);
  context.rotate(-Math.PI / 2);
  if (columns[state.y].kind === "number") context.fillText(cut(context, columns[state.y].name, frame.height), 0, 0);
  context.restore();
}

/** Leave out the end of a text that is too wide. */
function cut(context, text, width) {
  let letters = [...text];
  if (context.measureText(text).width <= width) return text;
  while (letters.length > 1 && context.measureText(`${letters.join("")}\u2026`).width > width) letters.pop();
  return `${letters.join("")}\u2026`;
}

/** Rows of the table as markers; a ring around those whose prediction was wrong. */
function drawRows(context, frame, size) {
  if (!data.table) return;
  const { cells, labels, correct, numbers } = data.table;
  const [ink, rim] = [css("--ink"), css("--rim")];
  const paths = data.classes.map(({ marker }) => new Path2D(MARKERS[marker]));
  for (let row = 0; row < labels.length; row++) {
    if (labels[row] < 0) continue;
    const x = frame.x.at(cells[state.x][row], numbers[row]);
    const y = frame.y.at(cells[state.y][row], numbers[row] * 7);
    if (x === null || y === null) continue;
    const [left, top] = pointIn(frame, x, y);
    const path = paths[labels[row]];
    context.save();
    context.translate(left, top);
    if (correct[row] === 0) {
      context.beginPath();
      context.arc(0, 0, 2 * size, 0, 2 * Math.PI);
      context.lineWidth = size / 3;
      context.strokeStyle = ink;
      context.stroke();
    }
    context.scale(size, size);
    context.lineWidth = 0.25;
    context.fillStyle = rgb(data.classes[labels[row]].colour);
    context.strokeStyle = rim;
    context.fill(path);
    context.stroke(path);
    context.restore();
  }
}

function drawQuery(context, frame, size) {
  const x = frame.x.at(state.values[state.x]);
  const y = frame.y.at(state.values[state.y]);
  if (x === null || y === null) return;
  const [left, top] = pointIn(frame, x, y);
  for (const [width, colour] of [[5, css("--paper")], [2, css("--ink")]]) {
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(left + dx * size * 0.5, top + dy * size * 0.5);
      context.lineTo(left + dx * size * 1.7, top + dy * size * 1.7);
    }
    context.moveTo(left + size, top);
    context.arc(left, top, size, 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke();
  }
}
