/* Section 1: inputs to move, and what the model predicts for them. */

const MOST_COLUMNS_AT_ONCE = 16;
const MOST_BARS = 12;
const MOST_TALL_BARS = 6;
const ANOTHER = Symbol("another category");

function makeAsk(place) {
  const result = makeResult();
  const inputs = columns.map(makeInput);
  const order = columnsByImportance();
  const first = new Set(columns.length > MOST_COLUMNS_AT_ONCE ? order.slice(0, 12) : order);
  const cards = (chosen) =>
    element("div", { class: "columns" }, ...inputs.filter((_, i) => first.has(i) === chosen).map(({ card }) => card));
  const rest = columns.length - first.size;
  const picker = makePicker();
  place.append(
    picker.bar,
    element(
      "div",
      { class: "beside" },
      element(
        "div",
        {},
        rest ? element("p", { class: "hint" }, `The ${first.size} columns ${data.importance?.length ? "that matter most" : "with the largest weights"}:`) : null,
        cards(true),
        rest ? element("details", {}, element("summary", {}, `${plural(rest, "more column")}`), cards(false)) : null,
      ),
      result.panel,
    ),
  );
  addView(place, () => {
    picker.draw();
    inputs.forEach((input, i) => input.draw(state.values[i]));
    result.draw();
  });
}

/** Choose a row of the table by its number, or go back to the middle of the training rows. */
function makePicker() {
  const middle = element("button", { type: "button", click: () => update({ row: null, label: null, values: columns.map(median) }) }, "Median row");
  if (!data.table) return { bar: element("div", { class: "bar" }, middle), draw() {} };
  const { rows, numbers, name } = data.table;
  const number = element("input", {
    type: "number",
    id: "row",
    min: 1,
    max: rows,
    step: 1,
    change: () => number.value && update(ofRow(positionOf(Number(number.value)))),
  });
  const go = (step) => () => {
    const position = (state.row ?? positionOf(Number(number.value || 1))) + (state.row === null ? 0 : step);
    update(ofRow(Math.max(0, Math.min(numbers.length - 1, position))));
  };
  const told = element("span", { class: "hint" });
  const bar = element(
    "div",
    { class: "bar" },
    element("label", { for: "row" }, "Row"),
    element("button", { type: "button", "aria-label": "Previous row", click: go(-1) }, "\u2039"),
    number,
    element("button", { type: "button", "aria-label": "Next row", click: go(1) }, "\u203a"),
    element("span", {}, `of ${rows.toLocaleString("en")} in `, named(name)),
    element("button", { type: "button", click: () => update(ofRow(Math.floor(Math.random() * numbers.length))) }, "Any row"),
    middle,
    told,
    numbers.length < rows
      ? element("p", { class: "hint" }, `This page holds ${plural(numbers.length, "row")} of ${rows.toLocaleString("en")}, evenly chosen, and those it got most wrong; another number takes the nearest of them.`)
      : null,
  );
  return {
    bar,
    draw() {
      if (state.row !== null) number.value = numbers[state.row];
      told.textContent = state.row === null ? "inputs of your own" : "";
    },
  };
}

function makeInput(column, i) {
  const id = `column-${i}`;
  const label = element("label", { for: id, class: "name", title: column.name }, named(column.name));
  return choicesOf(column) ? makeChoiceInput(column, i, id, label) : makeNumberInput(column, i, id, label);
}

function makeNumberInput(column, i, id, label) {
  const bounds = sliderBounds(column);
  let shown;
  const set = (value) => update(ofValue(i, value));
  const field = element("input", {
    type: "number",
    id,
    step: "any",
    input: () => set(Number.isFinite(field.valueAsNumber) ? field.valueAsNumber : null),
  });
  const slider =
    bounds &&
    element("input", {
      type: "range",
      "aria-label": column.name,
      min: bounds.low,
      max: bounds.high,
      step: bounds.step,
      input: () => set(slider.valueAsNumber),
    });
  const missing = element("input", {
    type: "checkbox",
    change: () => set(missing.checked ? null : (Number.isFinite(slider?.valueAsNumber) ? slider.valueAsNumber : column.median)),
  });
  const range = `${short(column.minimum)} to ${short(column.maximum)}, median ${short(column.median)}`;
  const card = element(
    "div",
    { class: "column", role: "group", "aria-label": column.name },
    label,
    field,
    slider && element("div", { class: "track" }, histogram(column, bounds), slider),
    element("span", { class: "hint" }, range),
    element("label", { class: "missing" }, missing, "missing"),
  );
  return {
    card,
    draw(value) {
      if (Object.is(value, shown)) return;
      shown = value;
      card.classList.toggle("is-missing", value === null);
      card.classList.toggle("is-outside", caution(column, value) !== null);
      missing.checked = value === null;
      if (field !== document.activeElement) field.value = value ?? "";
      if (!slider) return;
      slider.value = value ?? column.median;
      slider.setAttribute("aria-valuetext", value === null ? "missing" : short(value));
    },
  };
}

/** From a little below to a little above what was seen, in steps of a round size; null if that cannot be. */
function sliderBounds({ minimum, maximum, whole, histogram }) {
  const { low, high } = histogram ?? { low: minimum, high: maximum };
  const margin = 0.12 * (high - low) || 0.1 * Math.abs(high) || 1;
  const size = 10 ** Math.floor(Math.log10((high - low + 2 * margin) / 100));
  const step = whole ? Math.max(1, size) : size;
  const rounded = (value) => Number((value * step).toPrecision(12));
  const bounds = { low: rounded(Math.floor((low - margin) / step)), high: rounded(Math.ceil((high + margin) / step)), step };
  return Number.isFinite(bounds.high - bounds.low) && step > 1e-300 ? bounds : null;
}

/** How the table's cells are spread, behind the slider; below it a line from the minimum to the maximum of training. */
function histogram(column, bounds) {
  const at = (value) => (100 * (value - bounds.low)) / (bounds.high - bounds.low);
  const drawing = shape("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" });
  if (column.histogram) {
    const { low, high, counts } = column.histogram;
    const width = (at(high) - at(low)) / counts.length;
    const largest = Math.max(...counts);
    counts.forEach((count, k) => {
      const height = count ? Math.max(1, (28 * count) / largest) : 0;
      drawing.append(shape("rect", { x: at(low) + k * width, y: 29 - height, width: width * 0.9, height, class: "count" }));
    });
  }
  const [from, to] = [at(column.minimum), at(column.maximum)];
  drawing.append(
    shape("rect", { x: from, y: 29, width: Math.max(to - from, 0.5), height: 1, class: "range" }),
    shape("rect", { x: at(column.median) - 0.25, y: 0, width: 0.5, height: 30, class: "median" }),
  );
  return drawing;
}

function makeChoiceInput(column, i, id, label) {
  const choices = choicesOf(column);
  const names = choices.map((value) => element("option", {}, valueInWords(column, value)));
  const missing = element("option", {}, "(missing)");
  const other = element("option", {});
  const valueOf = new Map([...names.map((option, k) => [option, choices[k]]), [missing, null], [other, ANOTHER]]);
  const select = element(
    "select",
    { id, change: () => update(ofValue(i, valueOf.get(select.selectedOptions[0]))) },
    ...names,
    other,
    missing,
  );
  const many = column.is_boolean ? "numeric: false is 0, true is 1" : plural(choices.length, "category").replace("categorys", "categories");
  const card = element(
    "div",
    { class: "column", role: "group", "aria-label": column.name },
    label,
    select,
    element("span", { class: "hint" }, column.left_out ? `${many} in use, ${column.left_out} rarer ones are not` : many),
  );
  return {
    card,
    draw(value) {
      const known = choices.indexOf(value);
      const isOther = value !== null && known < 0;
      other.hidden = column.is_boolean && !isOther;
      other.textContent = isOther && typeof value !== "symbol" ? `${value} (not among these)` : "(another category)";
      (value === null ? missing : known < 0 ? other : names[known]).selected = true;
      card.classList.toggle("is-missing", value === null);
      card.classList.toggle("is-outside", caution(column, value) !== null);
    },
  };
}

/** The prediction: its class, a bar for each class, and what makes it doubtful. */
function makeResult() {
  const heading = element("p", { class: "prediction", role: "status" });
  const bars = makeBars();
  const warnings = element("ul", { class: "warnings", "aria-label": "Cautions" });
  const observed = element("p", { class: "observed" });
  const panel = element("div", { class: "panel result", role: "group", "aria-label": "Prediction" }, heading, bars.list, warnings, observed);
  return {
    panel,
    draw() {
      const { prediction } = current;
      heading.replaceChildren(classNamed(prediction.label), ` ${fixed(prediction.mean[prediction.label], 3)}`);
      bars.draw(prediction);
      warnings.replaceChildren(...current.cautions.map((text) => element("li", {}, text)));
      observed.replaceChildren(...rowInWords(prediction));
    },
  };
}

/** What is known of the row: its class, and what the network says that was not trained on it. */
function rowInWords({ members }) {
  if (state.row === null || state.label === null) return [];
  const number = data.table.numbers[state.row];
  const keeper = data.table.held_out_by[state.row];
  const known = [`Row ${number} is `, classNamed(state.label), "."];
  if (keeper < 0) return known;
  const best = argmax(members[keeper]);
  return [...known, ` Network ${keeper + 1}, which was not trained on it, predicts `, classNamed(best), ` ${fixed(members[keeper][best], 3)}.`];
}

/** A bar for each class, with a tick for each network; of many classes the most probable. */
function makeBars() {
  const count = Math.min(data.classes.length, MOST_BARS);
  const list = element("ul", { class: count > MOST_TALL_BARS ? "bars close" : "bars" });
  const bars = Array.from({ length: count }, () => {
    const name = element("span", { class: "bar-name" });
    const bar = element("span", { class: "bar-mean" });
    const ticks = networks.slice(0, 100).map(() => element("span", { class: "bar-tick" }));
    const value = element("span", { class: "bar-value" });
    const spread = element("span", { class: "bar-spread" });
    const row = element("li", {}, name, element("span", { class: "bar-track", "aria-hidden": "true" }, bar, ...ticks), value, spread);
    list.append(row);
    return { row, name, bar, ticks, value, spread, label: null };
  });
  const rest = data.classes.length - count;
  if (rest) list.append(element("li", { class: "hint" }, `${rest.toLocaleString("en")} less probable classes`));
  return {
    list,
    draw({ members, mean, label }) {
      const order = rest ? [...mean.keys()].sort((a, b) => mean[b] - mean[a]) : [...mean.keys()];
      bars.forEach((bar, i) => {
        const k = order[i];
        if (bar.label !== k) {
          bar.label = k;
          bar.name.replaceChildren(classNamed(k));
          bar.name.title = data.classes[k].name;
          bar.bar.style.backgroundColor = rgb(data.classes[k].colour);
        }
        bar.row.classList.toggle("is-predicted", k === label);
        bar.bar.style.width = `${100 * mean[k]}%`;
        bar.value.textContent = fixed(mean[k], 3);
        let [smallest, largest] = [1, 0];
        members.forEach((member, n) => {
          smallest = Math.min(smallest, member[k]);
          largest = Math.max(largest, member[k]);
          if (bar.ticks[n]) bar.ticks[n].style.left = `${100 * member[k]}%`;
        });
        bar.spread.textContent = `networks ${fixed(smallest, 3)} to ${fixed(largest, 3)}`;
      });
    },
  };
}
