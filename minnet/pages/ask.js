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
  const cards = (chosen) => element("div", { class: "columns" }, ...inputs.filter((_, i) => first.has(i) === chosen).map(({ card }) => card));
  const rest = columns.length - first.size;
  const which = `The ${first.size} columns ${data.importance ? "that matter most" : "with the largest weights"}:`;
  const parts = rest ? [element("p", { class: "hint" }, which), cards(true), element("details", {}, element("summary", {}, plural(rest, "more column")), cards(false))] : [cards(true)];
  const picker = makePicker();
  place.append(picker.bar, element("div", { class: "beside" }, element("div", {}, ...parts), result.panel));
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
  const choose = () => number.value && update(ofRow(positionOf(Number(number.value))));
  const number = element("input", { type: "number", id: "row", min: 1, max: rows, step: 1, change: choose });
  const go = (step) => () => {
    const position = (state.row ?? positionOf(Number(number.value || 1))) + (state.row === null ? 0 : step);
    update(ofRow(clip(position, 0, numbers.length - 1)));
  };
  const button = (text, click, label = null) => element("button", { type: "button", "aria-label": label, click }, text);
  const told = element("span", { class: "hint" });
  const sampled = `This page holds ${plural(numbers.length, "row")} of ${rows.toLocaleString("en")}, evenly chosen, and those it got most wrong; another number takes the nearest of them.`;
  const bar = element(
    "div",
    { class: "bar" },
    element("label", { for: "row" }, "Row"),
    button("\u2039", go(-1), "Previous row"),
    number,
    button("\u203a", go(1), "Next row"),
    element("span", {}, `of ${rows.toLocaleString("en")} in `, named(name)),
    button("Any row", () => update(ofRow(Math.floor(Math.random() * numbers.length)))),
    middle,
    told,
    numbers.length < rows ? element("p", { class: "hint" }, sampled) : null,
  );
  return {
    bar,
    draw() {
      if (state.row !== null) number.value = numbers[state.row];
      told.textContent = state.row === null ? "inputs of your own" : "";
    },
  };
}

/** A card for the input of a column: to choose from what there is, or to move. */
function makeInput(column, i) {
  const id = `column-${i}`;
  const label = element("label", { for: id, class: "name", title: column.name }, named(column.name));
  const { parts, draw } = choicesOf(column) ? makeChoiceInput(column, i, id) : makeNumberInput(column, i, id);
  const card = element("div", { class: "column", role: "group", "aria-label": column.name }, label, ...present(parts));
  let shown;
  return {
    card,
    draw(value) {
      if (Object.is(value, shown)) return;
      shown = value;
      card.classList.toggle("is-missing", value === null);
      card.classList.toggle("is-outside", caution(column, value) !== null);
      draw(value);
    },
  };
}

function makeNumberInput(column, i, id) {
  const bounds = sliderBounds(column);
  const set = (value) => update(ofValue(i, value));
  const field = element("input", { type: "number", id, step: "any", input: () => set(Number.isFinite(field.valueAsNumber) ? field.valueAsNumber : null) });
  const limits = bounds && { min: bounds.low, max: bounds.high, step: bounds.step };
  const slider = bounds && element("input", { type: "range", "aria-label": column.name, ...limits, input: () => set(slider.valueAsNumber) });
  const present = () => (Number.isFinite(slider?.valueAsNumber) ? slider.valueAsNumber : column.median);
  const missing = element("input", { type: "checkbox", change: () => set(missing.checked ? null : present()) });
  return {
    parts: [
      field,
      slider && element("div", { class: "track" }, histogram(column, bounds), slider),
      element("span", { class: "hint" }, `${short(column.minimum)} to ${short(column.maximum)}, median ${short(column.median)}`),
      element("label", { class: "missing" }, missing, "missing"),
    ],
    draw(value) {
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
  const rectangle = (kind, x, y, width, height) => drawing.append(shape("rect", { class: kind, x, y, width, height }));
  const { low, high, counts } = column.histogram ?? { counts: [] };
  const width = (at(high) - at(low)) / counts.length;
  counts.forEach((count, k) => {
    const height = count ? Math.max(1, (28 * count) / Math.max(...counts)) : 0;
    rectangle("count", at(low) + k * width, 29 - height, width * 0.9, height);
  });
  rectangle("range", at(column.minimum), 29, Math.max(at(column.maximum) - at(column.minimum), 0.5), 1);
  rectangle("median", at(column.median) - 0.25, 0, 0.5, 30);
  return drawing;
}

function makeChoiceInput(column, i, id) {
  const choices = choicesOf(column);
  const names = choices.map((value) => element("option", {}, valueInWords(column, value)));
  const missing = element("option", {}, "(missing)");
  const other = element("option", {});
  const valueOf = new Map([...names.map((option, k) => [option, choices[k]]), [missing, null], [other, ANOTHER]]);
  const select = element("select", { id, change: () => update(ofValue(i, valueOf.get(select.selectedOptions[0]))) }, ...names, other, missing);
  const many = column.is_boolean ? "numeric: false is 0, true is 1" : plural(choices.length, "category").replace("categorys", "categories");
  return {
    parts: [select, element("span", { class: "hint" }, column.left_out ? `${many} in use, ${column.left_out} rarer ones are not` : many)],
    draw(value) {
      const known = choices.indexOf(value);
      const isOther = value !== null && known < 0;
      other.hidden = column.is_boolean && !isOther;
      other.textContent = isOther && typeof value !== "symbol" ? `${value} (not among these)` : "(another category)";
      (value === null ? missing : known < 0 ? other : names[known]).selected = true;
    },
  };
}

/** The prediction: of a training row by the network that held it out, else the mean; bars; and what makes it doubtful. */
function makeResult() {
  const heading = element("p", { class: "prediction", role: "status" });
  const bars = makeBars();
  const warnings = element("ul", { class: "warnings", "aria-label": "Cautions" });
  const [by, observed] = [element("p", { class: "hint" }), element("p", { class: "observed" })];
  const panel = element("div", { class: "panel result", role: "group", "aria-label": "Prediction" }, heading, by, bars.list, warnings, observed);
  const told = (probabilities, fold, label = predictedClass(probabilities, fold)) => [classNamed(label), ` ${fixed(probabilities[label], 3)}`];
  return {
    panel,
    draw() {
      const { mean, members } = current.prediction;
      const keeper = state.row === null ? -1 : data.table.held_out_by[state.row];
      const row = state.row === null ? null : data.table.numbers[state.row];
      const all = members.length > 1 ? `the mean of all ${members.length} networks` : "the network";
      heading.replaceChildren(...told(members[keeper] ?? mean, keeper));
      if (keeper < 0) by.replaceChildren(`by ${all}`);
      else by.replaceChildren(`by network ${keeper + 1}, from which row ${row} was held out; by ${all}, as the bars show: `, ...told(mean));
      bars.draw(current.prediction);
      warnings.replaceChildren(...current.cautions.map((text) => element("li", {}, text)));
      observed.replaceChildren(...(row === null || state.label === null ? [] : [`Row ${row} is `, classNamed(state.label), "."]));
    },
  };
}

/** A bar for each class, with a tick for each network; of many classes the most probable. */
function makeBars() {
  const count = Math.min(data.classes.length, MOST_BARS);
  const bars = Array.from({ length: count }, () => {
    const ticks = networks.slice(0, 100).map(() => element("span", { class: "bar-tick" }));
    const spread = element("span", { class: "bar-spread" });
    const bar = makeBar(...ticks);
    bar.row.append(spread);
    return { ...bar, ticks, spread, label: null };
  });
  const rest = data.classes.length - count;
  const more = rest ? element("li", { class: "hint" }, `${rest.toLocaleString("en")} less probable classes`) : null;
  return {
    list: element("ul", { class: count > MOST_TALL_BARS ? "bars close" : "bars" }, ...bars.map(({ row }) => row), more),
    draw({ members, mean, label }) {
      const order = rest ? [...mean.keys()].sort((a, b) => mean[b] - mean[a]) : [...mean.keys()];
      bars.forEach((bar, i) => {
        const k = order[i];
        if (bar.label !== k) {
          bar.label = k;
          bar.name.replaceChildren(classNamed(k));
          bar.name.title = data.classes[k].name;
        }
        bar.row.classList.toggle("is-predicted", k === label);
        bar.draw(mean[k], fixed(mean[k], 3), rgb(data.classes[k].colour));
        bar.ticks.forEach((tick, n) => (tick.style.left = `${100 * members[n][k]}%`));
        const [smallest, largest] = rangeOf(members.map((member) => member[k]));
        bar.spread.textContent = `networks ${fixed(smallest, 3)} to ${fixed(largest, 3)}`;
      });
    },
  };
}

function rangeOf(numbers) {
  return numbers.reduce(([smallest, largest], number) => [Math.min(smallest, number), Math.max(largest, number)], [Infinity, -Infinity]);
}
