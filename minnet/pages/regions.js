/* Section 3: the prediction at each point of two columns, and a point to drag. */

function makeRegions(place) {
  if (state.y === null) {
    place.append(element("p", {}, "Regions are drawn over two columns, and this model has one."));
    return;
  }
  const options = columns.map(({ name }, i) => [i, name]);
  const x = choice("To the right", options, state.x, (value) => update(swapped("x", "y", Number(value))));
  const y = choice("Upwards", options, state.y, (value) => update(swapped("y", "x", Number(value))));
  const map = makeMap({ isRinged: (row) => data.table.correct[row] === 0 });
  const told = element("p", { class: "observed", "aria-hidden": "true" });
  const near = element("p", { class: "hint" });
  const classes = element("p", { class: "legend hint" }, ...data.classes.slice(0, MOST_BARS).map((_, k) => classNamed(k)));
  if (data.classes.length > MOST_BARS) classes.append(` and ${data.classes.length - MOST_BARS} more classes`);
  place.append(element("div", { class: "bar" }, x.label, y.label), map.box, told, near, classes, element("p", { class: "hint" }, rowsInWords()));
  addView(place, () => {
    x.select.value = state.x;
    y.select.value = state.y;
    const { label, mean } = current.prediction;
    map.draw(networks, "model", `${data.classes[label].name}, ${fixed(mean[label], 3)}`);
    near.textContent = nearInWords();
    told.replaceChildren("At the cross: ", classNamed(label), ` ${fixed(mean[label], 3)}`);
  });
}

/** A map over the two chosen columns, with a point to move; what it returns shows some networks on it, see `makePlane`. */
function makeMap(options) {
  const canvas = element("canvas", { tabindex: 0, role: "application", "aria-roledescription": "map with a point to move" });
  const plane = makePlane(canvas, options);
  makeDraggable(canvas, plane.frame);
  const draw = (networks, version, words, unit) => {
    const at = [state.x, state.y].map((i) => `${columns[i].name} ${valueInWords(columns[i], state.values[i])}`).join(", ");
    canvas.setAttribute("aria-label", `${at}: ${words}. Arrow keys move the point.`);
    return plane.draw(networks, version, unit);
  };
  return { box: element("div", { class: "plane" }, canvas), draw };
}

/** Two axes are never the same column: the other one takes the old place. */
function swapped(axis, other, column) {
  return state[other] === column ? { [axis]: column, [other]: state[axis] } : { [axis]: column };
}

function rowsInWords() {
  if (!data.table) return "With a table as DATA, its rows would be here, too.";
  if (!data.evaluation) return "The rows of the table have no labels, so they are not drawn.";
  const by = data.evaluation.out_of_fold ? "by the network that never saw the row" : "by the mean of all networks";
  return `Markers are rows of the table, by their observed class; a ring is around those predicted wrongly ${by}. Click on one to choose it. Rows without a value in one of the two columns are not drawn.`;
}

/** The picture holds for rows whose other columns are as set above: say how many of the drawn ones are near that. */
function nearInWords() {
  if (!data.evaluation || columns.length < 3) return "";
  const rows = [...data.table.labels.keys()].filter((row) => data.table.labels[row] >= 0);
  const near = rows.filter((row) => distanceToOthers(row) <= 1).length;
  return `${near.toLocaleString("en")} of ${plural(rows.length, "row")} lie near the inputs above in all other columns: within half a standard deviation, or in the same category. The further away, the fainter a row is.`;
}

/** Drag the query point by mouse, finger or arrow keys; a click on a row chooses it. */
function makeDraggable(canvas, frameOf) {
  let [start, isDragged] = [null, false];
  const move = ({ offsetX, offsetY }) => {
    const { left, top, width, height } = frameOf();
    update(ofPoint(frameOf(), (offsetX - left) / width, 1 - (offsetY - top) / height));
  };
  canvas.addEventListener("pointerdown", (event) => {
    [start, isDragged] = [event, false];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    isDragged ||= start !== null && Math.hypot(event.offsetX - start.offsetX, event.offsetY - start.offsetY) > 3;
    if (start && isDragged) move(event);
  });
  canvas.addEventListener("pointerup", (event) => {
    const row = start && !isDragged ? rowAt(frameOf(), event.offsetX, event.offsetY) : null;
    if (row !== null) update(ofRow(row));
    else if (start && !isDragged) move(event);
    start = null;
  });
  canvas.addEventListener("pointercancel", () => (start = null));
  canvas.addEventListener("keydown", (event) => {
    const frame = frameOf();
    if (!ARROWS[event.key] || !frame) return;
    event.preventDefault();
    const [dx, dy] = ARROWS[event.key];
    const x = (frame.x.at(state.values[state.x]) ?? 0.5) + dx * frame.x.step;
    const y = (frame.y.at(state.values[state.y]) ?? 0.5) + dy * frame.y.step;
    update(ofPoint(frame, dx ? x : null, dy ? y : null));
  });
}

/** What moving the query point changes; a coordinate that is null stays. */
function ofPoint(frame, x, y) {
  const values = [...state.values];
  if (x !== null) values[state.x] = frame.x.valueAt(x);
  if (y !== null) values[state.y] = frame.y.valueAt(y);
  return { row: null, values };
}

function rowAt(frame, left, top) {
  const away = ([, x, y]) => Math.hypot(x - left, y - top);
  const nearest = placesOfRows(frame).reduce((best, place) => (away(place) < away(best) ? place : best), [null, left + 8, top]);
  return nearest[0];
}
