/* Section 4: the losses over the epochs. */

const PLOT = { width: window.innerWidth < 560 ? 400 : 760, height: 300 };

function makeLearned(place) {
  const { holdout_loss: holdout, best_epochs: kept } = data.history;
  const [first, last] = [Math.min(...kept), Math.max(...kept)];
  const which = first === last ? `those of epoch ${first}` : `each network its own, of epochs ${first} to ${last}`;
  place.append(
    element("p", {}, `Each network held out another part of the rows and learned from the rest. Of the weights in ${plural(holdout.mean.length, "epoch")}, those with a small holdout loss were kept: ${which}.`),
    element("figure", {}, lossChart(), lossLegend()),
  );
}

/** Losses of all networks, thin, and their means, thick; holdout solid, training dashed. */
function lossChart() {
  const { training_loss: training, holdout_loss: holdout, best_epochs: kept, baseline } = data.history;
  const epochs = holdout.mean.length;
  const most = 1.15 * Math.max(baseline, ...training.mean, ...holdout.mean);
  const x = { to: epochs, title: "epoch", ticks: roundTicks(0, epochs).filter(Number.isInteger) };
  const { svg, line, curve, dot } = makeChart(lossInOneSentence(), PLOT, x, { to: most, ticks: roundTicks(0, most) });
  const drawn = (losses, kind) => curve({ class: `curve ${kind}` }, losses.map((loss, i) => [i + 1, loss ?? NaN]));
  line({ class: "baseline" }, 0, baseline, epochs, baseline);
  training.networks.forEach((losses) => drawn(losses, "training"));
  holdout.networks.forEach((losses) => drawn(losses, "holdout"));
  drawn(training.mean, "training mean");
  drawn(holdout.mean, "holdout mean");
  kept.forEach((epoch, k) => {
    const loss = holdout.networks[k]?.[epoch - 1] ?? null;
    if (loss !== null) dot({ r: 3.5, class: "kept" }, epoch, loss);
  });
  return svg;
}

function lossInOneSentence() {
  const { holdout_loss: holdout } = data.history;
  const losses = holdout.mean.filter((loss) => loss !== null);
  if (!losses.length) return `Training loss over ${holdout.mean.length} epochs`;
  return `Mean holdout loss over ${holdout.mean.length} epochs: from ${fixed(losses[0], 3)} down to ${fixed(Math.min(...losses), 3)}; always giving the class shares: ${fixed(data.history.baseline, 3)}`;
}

function lossLegend() {
  const dot = shape("svg", { viewBox: "0 0 12 8", class: "line dot", "aria-hidden": "true" }, shape("circle", { cx: 6, cy: 4, r: 3, class: "kept" }));
  return legend(
    ...(data.loss === "cross-entropy" ? [["loss in ", explained("nats")], ["", "per row:"]] : [["", "loss: squared residuals per row:"]]),
    [legendLine("curve holdout mean"), "holdout, of the weights averaged over the epochs"],
    [legendLine("curve training mean"), "training, while the weights move (thin: each network; thick: their mean)"],
    [dot, "kept epoch"],
    [legendLine("baseline"), "always giving the"], ["", explained("class shares")],
  );
}
