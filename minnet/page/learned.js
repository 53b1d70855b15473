/* Section 4: the losses over the epochs, and the film of the training. */

const FILM_SECONDS = 6;
const PLOT = { width: window.innerWidth < 560 ? 400 : 760, height: 300, left: 46, right: 12, top: 12, bottom: 38 };

function makeLearned(place) {
  const { holdout_loss: holdout, best_epochs: kept } = data.history;
  const [first, last] = [Math.min(...kept), Math.max(...kept)];
  const which = first === last ? `those of epoch ${first}` : `each network its own, of epochs ${first} to ${last}`;
  const marker = shape("line", { class: "now", y1: PLOT.top, y2: PLOT.height - PLOT.bottom });
  place.append(
    element("p", {}, `Each network held out another part of the rows and learned from the rest. Of the weights in ${plural(holdout.mean.length, "epoch")}, those with a small holdout loss were kept: ${which}.`),
    element("figure", {}, lossChart(marker), lossLegend()),
  );
  if (data.film?.epochs) makeFilm(place, marker);
  else place.append(element("p", { class: "hint" }, noFilm()));
}

function noFilm() {
  if (!data.film) return "With its training table as DATA, the training would be here as a film.";
  return `There is no film of the training: ${data.film.reason}.`;
}

function scales() {
  const { training_loss: training, holdout_loss: holdout, baseline } = data.history;
  const epochs = holdout.mean.length;
  const means = [...training.mean, ...holdout.mean].filter((loss) => loss !== null);
  const most = 1.15 * Math.max(baseline, ...means);
  const { width, height, left, right, top, bottom } = PLOT;
  return {
    epochs,
    most,
    x: (epoch) => left + ((width - left - right) * epoch) / epochs,
    y: (loss) => top + (height - top - bottom) * (1 - Math.min(loss / most, 1)),
  };
}

/** Losses of all networks, thin, and their means, thick; holdout solid, training dashed. */
function lossChart(marker) {
  const { training_loss: training, holdout_loss: holdout, best_epochs: kept, baseline } = data.history;
  const { epochs, most, x, y } = scales();
  const { width, height, left, right, bottom } = PLOT;
  const chart = shape("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": lossInOneSentence() });
  for (const loss of roundTicks(0, most)) {
    chart.append(shape("line", { class: "grid", x1: left, x2: width - right, y1: y(loss), y2: y(loss) }), shape("text", { x: left - 8, y: y(loss) + 4, class: "end" }, short(loss)));
  }
  for (const epoch of roundTicks(0, epochs)) {
    if (Number.isInteger(epoch)) chart.append(shape("text", { x: x(epoch), y: height - bottom + 18, class: "middle" }, String(epoch)));
  }
  chart.append(
    shape("text", { x: (left + width - right) / 2, y: height - 2, class: "middle" }, "epoch"),
    shape("line", { class: "baseline", x1: left, x2: width - right, y1: y(baseline), y2: y(baseline) }),
  );
  const curve = (losses, kind) => {
    let path = "";
    losses.forEach((loss, i) => {
      if (loss !== null) path += `${path ? "L" : "M"}${x(i + 1).toFixed(1)} ${y(loss).toFixed(1)}`;
    });
    chart.append(shape("path", { d: path, class: `curve ${kind}` }));
  };
  training.networks.forEach((losses) => curve(losses, "training"));
  holdout.networks.forEach((losses) => curve(losses, "holdout"));
  curve(training.mean, "training mean");
  curve(holdout.mean, "holdout mean");
  kept.forEach((epoch, k) => {
    const loss = holdout.networks[k]?.[epoch - 1];
    if (loss !== null && loss !== undefined) chart.append(shape("circle", { cx: x(epoch), cy: y(loss), r: 3.5, class: "kept" }));
  });
  chart.append(marker);
  return chart;
}

function lossInOneSentence() {
  const { holdout_loss: holdout } = data.history;
  const losses = holdout.mean.filter((loss) => loss !== null);
  if (!losses.length) return `Training loss over ${holdout.mean.length} epochs`;
  return `Mean holdout loss over ${holdout.mean.length} epochs: from ${fixed(losses[0], 3)} down to ${fixed(Math.min(...losses), 3)}; always giving the class shares: ${fixed(data.history.baseline, 3)}`;
}

function lossLegend() {
  const line = (kind) => shape("svg", { viewBox: "0 0 30 8", class: "line", "aria-hidden": "true" }, shape("path", { d: "M0 4H30", class: kind }));
  const dot = shape("svg", { viewBox: "0 0 12 8", class: "line dot", "aria-hidden": "true" }, shape("circle", { cx: 6, cy: 4, r: 3, class: "kept" }));
  const loss = data.loss === "cross-entropy" ? "loss in nats per row" : "loss: squared residuals per row";
  return element(
    "figcaption",
    { class: "legend hint" },
    `${loss}: `,
    element("span", {}, line("curve holdout mean"), "holdout"),
    element("span", {}, line("curve training mean"), "training (thin: each network; thick: their mean)"),
    element("span", {}, dot, "kept epoch"),
    element("span", {}, line("baseline"), "always giving the class shares"),
  );
}

/** Scrub through the epochs: drawing, probabilities and regions as they were. */
function makeFilm(place, marker) {
  const { epochs } = data.film;
  const values = decoded(data.film.values);
  const size = values.length / epochs.length;
  const frames = epochs.map((_, f) => makeNetworks(values.subarray(f * size, (f + 1) * size), data.network));
  const { x } = scales();
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  let timer = 0;

  const told = element("output", { for: "frame" });
  const slider = element("input", {
    type: "range",
    id: "frame",
    min: 0,
    max: epochs.length - 1,
    step: 1,
    input: () => {
      stop();
      update({ frame: slider.valueAsNumber });
    },
  });
  const play = element("button", { type: "button", click: () => (timer ? stop() : start()) }, "Play");
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  const step = () => {
    update({ frame: Math.min(state.frame + 1, epochs.length - 1) });
    if (state.frame === epochs.length - 1) stop();
  };
  /** Where motion is not wanted, each press goes one frame on. */
  const start = () => {
    if (state.frame === epochs.length - 1) update({ frame: 0 });
    else if (still.matches) step();
    if (still.matches) return;
    play.textContent = "Pause";
    timer = setInterval(step, (1000 * FILM_SECONDS) / epochs.length);
  };
  const bars = makeBars();
  const canvas = element("canvas", { "aria-hidden": "true" });
  const plane = makePlane(canvas, { small: true });
  const stage = element("div", { "aria-hidden": "true" });
  const titles = [element("h4"), element("h4"), element("h4", {}, "Regions")];
  place.append(
    element("h3", {}, "The film of it"),
    element("p", {}, "The same training again, from the random start: move through the epochs and see the network, the probabilities of the inputs above and the regions as they were."),
    element("div", { class: "bar film-bar" }, play, element("label", { for: "frame" }, "Epoch"), slider, told),
    element(
      "div",
      { class: "film" },
      element("div", {}, titles[1], bars.list),
      state.y === null ? null : element("div", {}, titles[2], element("div", { class: "plane" }, canvas)),
      element("div", {}, titles[0], stage),
    ),
  );
  const draw = makeDrawing(stage, { small: true });
  new ResizeObserver(() => update()).observe(stage);
  addView(place, () => {
    const frame = frames[state.frame];
    const epoch = epochs[state.frame];
    slider.value = state.frame;
    slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
    told.textContent = epoch === 0 ? "0, the random start" : String(epoch);
    marker.setAttribute("x1", x(epoch));
    marker.setAttribute("x2", x(epoch));
    titles[0].textContent = `Network ${state.network + 1}`;
    titles[1].textContent = state.row === null ? "Probabilities of the inputs" : `Probabilities of row ${data.table.numbers[state.row]}`;
    bars.draw(predict(frame, current.features));
    const traced = trace(frame[state.network], current.features);
    draw(networks[state.network], traced, picture(frame[state.network], traced, null, "flow"));
    plane.drawQuickly(frame, state.frame);
  });
}
