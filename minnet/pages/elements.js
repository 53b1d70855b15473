"use strict";

/* Elements of the page. Text from the data enters as text nodes and attributes, never as markup. */

function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function shape(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name === "style") for (const key in value) made.style.setProperty(key, value[key]);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...present(children));
  return made;
}

/** Children that are there: null stands for none. */
function present(children) {
  return children.filter((child) => child !== null && child !== undefined);
}

/** A name from the data, verbatim; whatever its direction of writing, it leaves its surroundings alone. */
function named(name, attributes = {}) {
  return element("bdi", attributes, name);
}

const TERMS = {
  nats: "the unit of information with the natural logarithm: 0.69 nats are one bit",
  "held out": "kept away from a network's training, so that it can be judged by what it has not seen",
  "class shares": "how often each class occurs in the training rows: the best guess without any input",
  gradients: "how fast the loss grows with a number: training moves each number against its own",
};

/** A term of the field, with a few words about it. */
function explained(term) {
  return element("abbr", { title: TERMS[term] }, term);
}

/** A labelled choice of one of some options, [value, text] each. */
function choice(text, options, chosen, onchange) {
  const made = options.map(([value, name]) => element("option", { value, selected: value === chosen }, name));
  const select = element("select", { change: () => onchange(select.value) }, ...made);
  return { label: element("label", { class: "field" }, element("span", {}, text), select), select };
}

/** A table whose rows begin with their heading; a cell is what stands in it, or the cell itself. */
function table(headers, rows, attributes = {}) {
  const cell = (content) => (content instanceof HTMLTableCellElement ? content : element("td", {}, content));
  const head = element("tr", {}, ...headers.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map(([first, ...cells]) => element("tr", {}, element("th", { scope: "row" }, first), ...cells.map(cell)));
  return element("table", attributes, element("thead", {}, head), element("tbody", {}, ...body));
}

/** A bar with a name and a value, for a list of them, perhaps with marks on its track. What it returns draws it. */
function makeBar(...marks) {
  const [name, bar, value] = ["bar-name", "bar-mean", "bar-value"].map((kind) => element("span", { class: kind }));
  const row = element("li", {}, name, element("span", { class: "bar-track", "aria-hidden": "true" }, bar, ...marks), value);
  const draw = (share, text, colour) => {
    bar.style.width = `${100 * share}%`;
    if (colour) bar.style.backgroundColor = colour;
    value.textContent = text;
  };
  return { row, name, draw };
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** Wide contents scroll by themselves, so that the page does not. */
function scrolling(label, ...children) {
  return element("div", { class: "scrolling", tabindex: 0, role: "region", "aria-label": label }, ...children);
}

function plural(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Four digits, or all before the decimal point, as a person would write them. */
function short(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(2).replace("-", "\u2212").replace("e-", "e\u2212");
  return String(size < 1000 ? Number(value.toPrecision(4)) : Math.round(value)).replace("-", "\u2212");
}

/** So many decimals, with a true minus sign. */
function fixed(value, digits) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}

/** Leave out the middle of a name that is too long: its end matters as much as its beginning. */
function cutMiddle(name, longest) {
  const letters = [...name];
  const kept = Math.floor((longest - 1) / 2);
  return letters.length <= longest ? name : `${letters.slice(0, kept).join("")}\u2026${letters.slice(kept + 1 - longest).join("")}`;
}

function percent(share) {
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

const styles = new Map();

/** A value of the style; asked for once, until the views are drawn anew. */
function css(name) {
  if (!styles.has(name)) styles.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return styles.get(name);
}

/** Red, green and blue of a colour of the style, written #0072b2. */
function styled(name) {
  return css(name).match(/[\da-f]{2}/gi).map((part) => parseInt(part, 16));
}

function rgb([red, green, blue], alpha = 1) {
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

/** Markers as matplotlib names them, drawn around 0, 0 within a circle of radius 1. */
const MARKERS = {
  o: "M1 0A1 1 0 1 1 -1 0A1 1 0 1 1 1 0Z",
  s: "M-.85 -.85H.85V.85H-.85Z",
  "^": "M0 -1L1 .85H-1Z",
  v: "M0 1L1 -.85H-1Z",
  "<": "M-1 0L.85 -1V1Z",
  ">": "M1 0L-.85 -1V1Z",
  D: "M0 -1.1L1.1 0L0 1.1L-1.1 0Z",
  P: "M-.35 -1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z",
  X: "M-1 -.55L-.55 -1L0 -.45L.55 -1L1 -.55L.45 0L1 .55L.55 1L0 .45L-.55 1L-1 .55L-.45 0Z",
  "*": "M0 -1.2L.29 -.4L1.14 -.37L.47 .15L.71 .97L0 .5L-.71 .97L-.47 .15L-1.14 -.37L-.29 -.4Z",
  p: "M0 -1.05L1 -.32L.62 .85H-.62L-1 -.32Z",
};

/** The marker of a class, in its colour. */
function swatch(label) {
  const { colour, marker } = data.classes[label];
  return shape("svg", { class: "swatch", viewBox: "-1.5 -1.5 3 3", "aria-hidden": "true" }, shape("path", { d: MARKERS[marker], fill: rgb(colour) }));
}

/** The marker and the name of a class. */
function classNamed(label) {
  return element("span", { class: "class" }, swatch(label), named(data.classes[label].name));
}

/** Make a canvas as sharp as the screen, and return its context, one unit a CSS pixel. */
function sharpened(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** A short line as in a chart, for its legend. */
function legendLine(kind, dashes = "") {
  return shape("svg", { viewBox: "0 0 30 8", class: "line", "aria-hidden": "true" }, shape("path", { d: "M0 4H30", class: kind, "stroke-dasharray": dashes }));
}

/** What marks stand for: [mark, words] each. */
function legend(...entries) {
  return element("p", { class: "legend hint" }, ...present(entries).map(([mark, words]) => element("span", {}, mark, words)));
}

/**
 * A chart of two axes that begin at 0: `x` and `y` tell how far they go (`to`), their title and their ticks as numbers.
 * What it returns places values on it, and draws curves through points [x, y], without those that have no y.
 */
function makeChart(label, { width, height, left = 46 }, x, y) {
  const [right, top, bottom] = [12, 12, 40];
  const atX = (value) => left + ((width - left - right) * value) / x.to;
  const atY = (value) => top + (height - top - bottom) * (1 - Math.min(value / y.to, 1));
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": label });
  const line = (attributes, x1, y1, x2, y2) => svg.append(shape("line", { ...attributes, x1: atX(x1), y1: atY(y1), x2: atX(x2), y2: atY(y2) }));
  for (const tick of y.ticks) {
    line({ class: "grid" }, 0, tick, x.to, tick);
    svg.append(shape("text", { x: left - 8, y: atY(tick) + 4, class: "end" }, short(tick)));
  }
  for (const tick of x.ticks) svg.append(shape("text", { x: atX(tick), y: height - bottom + 18, class: "middle" }, short(tick)));
  svg.append(shape("text", { x: atX(x.to / 2), y: height - 4, class: "middle" }, x.title));
  if (y.title) svg.append(shape("text", { class: "middle", transform: `translate(12 ${atY(y.to / 2)}) rotate(-90)` }, y.title));
  const curve = (attributes, points) => {
    const present = points.filter(([, value]) => Number.isFinite(value));
    svg.append(shape("path", { fill: "none", ...attributes, d: present.map(([one, value], i) => `${i ? "L" : "M"}${atX(one).toFixed(1)} ${atY(value).toFixed(1)}`).join("") }));
  };
  const dot = (attributes, value, other, title) => svg.append(shape("circle", { ...attributes, cx: atX(value), cy: atY(other) }, title ? shape("title", {}, title) : ""));
  return { svg, line, curve, dot };
}
