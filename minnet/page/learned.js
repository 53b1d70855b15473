/* Section 4: the losses over the epochs. */

const PLOT = { width: window.innerWidth < 560 ? 400 : 760, height: 300, left: 46, right: 12, top: 12, bottom: 38 };

function makeLearned(place) {
  const { holdout_loss: holdout, best_epochs: kept } = data.history;
  const [first, last] = [Math.min(...kept), Math.max(...kept)];
  const which = first === last ? `those of epoch ${first}` : `each network its own, of epochs ${first} to ${last}`;
  place.append(
    element("p", {}, `Each network held out another part of the rows and learned from the rest. Of the weights in ${plural(holdout.mean.length, "epoch")}, those with a small holdout loss were kept: ${which}.`),
    element("figure", {}, lossChart(), lossLegend()),
  );
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
function lossChart() {
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
