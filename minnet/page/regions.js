/* Section 3: the prediction at each point of two columns, and a point to drag. */

function makeRegions(place) {
  if (state.y === null) {
    place.append(element("p", {}, "Regions are drawn over two columns, and this model has one."));
    return;
  }
  const options = columns.map(({ name }, i) => [i, name]);
  const x = choice("To the right", options, state.x, (value) => update(swapped("x", "y", Number(value))));
  const y = choice("Upwards", options, state.y, (value) => update(swapped("y", "x", Number(value))));
  const canvas = element("canvas", { tabindex: 0, role: "application", "aria-roledescription": "map with a point to move" });
  const plane = makePlane(canvas, { isRinged: (row) => data.table.correct[row] === 0 });
  const told = element("p", { class: "observed", "aria-hidden": "true" });
  const legend = element("p", { class: "legend hint" }, ...data.classes.slice(0, MOST_BARS).map((_, k) => classNamed(k)));
  if (data.classes.length > MOST_BARS) legend.append(` and ${data.classes.length - MOST_BARS} more classes`);
  place.append(element("div", { class: "bar" }, x.label, y.label), element("div", { class: "plane" }, canvas), told, legend, element("p", { class: "hint" }, rowsInWords()));
  makeDraggable(canvas, plane.frame);
  new ResizeObserver(() => update()).observe(canvas.parentElement);
  addView(place, () => {
    x.select.value = state.x;
    y.select.value = state.y;
    plane.draw(networks, "model");
    const { prediction } = current;
    told.replaceChildren("At the cross: ", classNamed(prediction.label), ` ${fixed(prediction.mean[prediction.label], 3)}`);
    canvas.setAttribute("aria-label", `${pointInWords()}: ${data.classes[prediction.label].name}, ${fixed(prediction.mean[prediction.label], 3)}. Arrow keys move the point.`);
  });
}

function pointInWords() {
  return [state.x, state.y].filter((i) => i !== null).map((i) => `${columns[i].name} ${valueInWords(columns[i], state.values[i])}`).join(", ");
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

/** Drag the query point by mouse, finger or arrow keys; a click on a row chooses it. */
function makeDraggable(canvas, frameOf) {
  let start = null;
  const move = (event) => {
    const frame = frameOf();
    const place = [(event.offsetX - frame.left) / frame.width, 1 - (event.offsetY - frame.top) / frame.height];
    update(ofPoint(frame, ...place));
  };
  canvas.addEventListener("pointerdown", (event) => {
    start = [event.offsetX, event.offsetY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (start && Math.hypot(event.offsetX - start[0], event.offsetY - start[1]) > 3) start = [NaN, NaN];
    if (start && Number.isNaN(start[0])) move(event);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (start && !Number.isNaN(start[0])) {
      const row = rowAt(frameOf(), event.offsetX, event.offsetY);
      if (row === null) move(event);
      else update(ofRow(row));
    }
    start = null;
  });
  canvas.addEventListener("pointercancel", () => (start = null));
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const frame = frameOf();
    if (!steps[event.key] || !frame) return;
    event.preventDefault();
    const [dx, dy] = steps[event.key];
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
  if (!data.table) return null;
  const { cells, labels, numbers } = data.table;
  let [nearest, distance] = [null, 8];
  for (let row = 0; row < labels.length; row++) {
    if (labels[row] < 0) continue;
    const x = frame.x.at(cells[state.x][row], numbers[row]);
    const y = frame.y.at(cells[state.y][row], numbers[row] * 7);
    if (x === null || y === null) continue;
    const [pointLeft, pointTop] = pointIn(frame, x, y);
    const away = Math.hypot(pointLeft - left, pointTop - top);
    if (away < distance) [nearest, distance] = [row, away];
  }
  return nearest;
}
