/* What the reader has chosen, and the views that show it. */

const data = JSON.parse(document.getElementById("data").textContent);
const networks = makeNetworks(decoded(data.network.values), data.network);
const columns = data.columns;
/** The class that has a threshold; -1 if none has. */
const decided = data.classes.findIndex(({ name }) => name === data.threshold?.class_name);

/** Numbers from base64 of float32. */
function decoded(text) {
  return new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

/**
 * values    of the columns: numbers, names of categories, null where missing
 * row       which row of the table these are, as a position in it; null once one was changed
 * label     the observed class, null if there is none
 * network   the one that is looked into
 * x, y      the columns that the regions are drawn over
 * lines     what the lines of the drawing show: flow, weights or gradients
 * unit      the one whose sum is written out: its layer (0: inputs) and its index
 */
const state = {
  values: columns.map(median),
  row: null,
  label: null,
  network: 0,
  ...firstAxes(),
  lines: "flow",
  unit: null,
};

/** The values there are, if these are few: categories, or false and true as numbers. */
function choicesOf(column) {
  return column.is_boolean ? [0, 1] : column.categories;
}

function valueInWords(column, value) {
  if (value === null) return "missing";
  if (typeof value === "symbol") return "another category";
  if (typeof value === "string") return value;
  return column.is_boolean && choicesOf(column).includes(value) ? String(value === 1) : short(value);
}

/** The value that the training rows have in the middle, or most often. */
function median(column) {
  return column.kind === "number" ? column.median : (column.categories[0] ?? null);
}

/** Where a row stands in the table; the nearest one if only some rows are here. */
function positionOf(number) {
  const { numbers } = data.table;
  return numbers.reduce((best, other, i) => (Math.abs(other - number) < Math.abs(numbers[best] - number) ? i : best), 0);
}

/** What choosing a row of the table changes. */
function ofRow(position) {
  const { cells, labels, held_out_by: heldOutBy } = data.table;
  return {
    row: position,
    values: cells.map((column) => column[position]),
    label: labels[position] < 0 ? null : labels[position],
    network: heldOutBy[position] < 0 ? state.network : heldOutBy[position],
  };
}

/** What another value in one column changes. */
function ofValue(column, value) {
  return { row: null, values: state.values.map((old, i) => (i === column ? value : old)) };
}

/** Columns in the order of their importance, or of their weights where that is not known. */
function columnsByImportance() {
  const measured = new Map(data.importance?.map(({ column, increase }) => [column, increase]));
  const size = ({ column, strength }) => measured.get(column) ?? strength;
  return [...columns.keys()].sort((a, b) => size(columns[b]) - size(columns[a]));
}

/** The two columns to begin with: numeric ones, if there are two. */
function firstAxes() {
  const order = columnsByImportance();
  const numeric = order.filter((i) => columns[i].kind === "number" && !columns[i].is_boolean);
  const [x, y] = numeric.length > 1 ? numeric : order;
  return { x, y: y ?? null };
}

/* Views draw themselves when something has changed and they are, or come, in sight. */

const views = [];
let current = null;
let scheduled = false;

const sight = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) views.find(({ place }) => place === target).inSight = isIntersecting;
    schedule();
  },
  { rootMargin: "80px" },
);
const sizes = new ResizeObserver((entries) => update({}, views.filter(({ place }) => entries.some(({ target }) => target === place))));

function addView(place, draw) {
  const view = { place, draw, inSight: false, stale: true };
  views.push(view);
  sight.observe(place);
  sizes.observe(place);
  return view;
}

/** Change what is chosen; the views follow with the next frame of the screen. */
function update(changes = {}, changed = views) {
  Object.assign(state, changes);
  for (const view of changed) view.stale = true;
  schedule();
}

function schedule() {
  if (!scheduled) requestAnimationFrame(() => drawViews());
  scheduled = true;
}

function drawViews(everything = false) {
  scheduled = false;
  styles.clear();
  const features = transform(columns, state.values);
  const prediction = predict(networks, features);
  current = { features, prediction, cautions: cautions(columns, state.values, prediction) };
  for (const view of views) {
    if (view.stale && (view.inSight || everything)) {
      view.stale = false;
      view.draw();
    }
  }
}
