/* Section 5: a network that trains in the browser, on the rows of this page. */

const FIRST_SETTINGS = { hidden: [4], seed: 1, loss: "cross-entropy", optimizer: "adam", learningRate: 0.01, weightDecay: 0, batchSize: 16 };
const USUAL_RATES = { adam: 0.01, sgd: 0.1 };
const MOST_HIDDEN = 32;
const EPOCHS_OF_A_PLAY = 1000;
const MOST_POINTS = 300;
const FINEST_WHILE_TRAINING = 45;
const LOSSES = [["cross-entropy", "cross-entropy"], ["squared-residuals", "squared residuals"], ["argmax", "through argmax"]];

/**
 * trainer    of the network in training
 * work       what it is at: one of its generators, or null
 * isPlaying  until it is paused
 * isWaiting  for its next turn
 * pointed    the unit that is pointed at, or null
 */
const playground = { trainer: null, work: null, isPlaying: false, isWaiting: false, pointed: null, view: null };

function changePlayground(changes) {
  Object.assign(playground, changes);
  update({}, [playground.view]);
}

/** A turn with each frame of the screen, while there is work and the section is in sight. */
function waitForTurn() {
  const { work, view, isWaiting } = playground;
  if (work === null || isWaiting || !view.inSight) return;
  playground.isWaiting = true;
  requestAnimationFrame(() => setTimeout(takeTurn));
}

function takeTurn() {
  const { work, trainer } = playground;
  const goesOn = work !== null && turn(work, trainer.rowsOfATurn);
  changePlayground({ isWaiting: false, ...(goesOn ? {} : { work: null, isPlaying: false }) });
}

function play() {
  changePlayground({ work: playground.trainer.play(EPOCHS_OF_A_PLAY), isPlaying: true });
}

/** Do some steps, if any, instead of what is at work, and judge the network as it is then. */
function pauseAfter(steps = []) {
  const work = (function* () {
    yield* steps;
    yield* playground.trainer.judge();
  })();
  changePlayground({ work, isPlaying: false });
}

/** Take other settings from the next step on, or begin anew with them; go on playing, if it did. */
function change(settings) {
  playground.trainer.change(settings);
  (playground.isPlaying ? play : pauseAfter)();
}

function restart(settings = {}) {
  const { trainer } = playground;
  playground.trainer = new Trainer(trainer.examples, { ...trainer.settings, ...settings });
  change({});
}

function makePlayground(place) {
  if (!data.evaluation) {
    place.append(element("p", { class: "hint" }, "With a labelled table as DATA, a network could be trained on its rows here."));
    return;
  }
  const examples = makeExamples(data.table);
  const heldOut = new Set(examples.holdout.map((i) => examples.rows[i]));
  playground.trainer = new Trainer(examples, FIRST_SETTINGS);
  const controls = makeControls();
  const buttons = makeButtons();
  const worst = () => playground.trainer.history.length && update(ofRow(examples.rows[playground.trainer.history.at(-1).worst]));
  const map = state.y === null ? null : makeMap({ finest: FINEST_WHILE_TRAINING, isHollow: (row) => heldOut.has(row) });
  const [scores, flat, mapTitle, pushes] = [element("div"), element("p", { class: "warning" }), element("h3"), element("p", { class: "hint" })];
  const ofRowAbove = scrolling("Gradients of the row above");
  const stage = element("div", { class: "stage", role: "group", "aria-label": "Units of the network in training; arrow keys walk through them" });
  const regions = map && element("div", {}, mapTitle, map.box, element("p", { class: "hint" }, "Markers are rows, by their observed class; hollow ones are held out from training, and those that are far from the inputs above in other columns are faint."));
  place.append(
    element("p", { class: "hint" }, rowsOfTraining(examples)),
    controls.bar,
    buttons.bar,
    flat,
    element("div", { class: "training" }, ...present([regions, scores])),
    element("h3", {}, "The network, and what each unit passes on"),
    element("p", { class: "hint" }, "Numbers are what the units pass on for the inputs above; the small maps, what a hidden unit passes on at each point of the two columns. Point at a unit to see its map large, and its own lines alone."),
    stage,
    legendOfLines(false),
    element("h3", {}, "How hard the row above pushes"),
    element("div", { class: "bar" }, element("button", { type: "button", click: worst }, "The row it gets most wrong")),
    ofRowAbove,
    pushes,
  );
  const drawNetwork = makeDrawing(stage, (pointed) => changePlayground({ pointed }));
  let [draws, planes] = [0, null];
  playground.view = addView(place, () => {
    const { trainer, pointed } = playground;
    const { settings, network, epochs, position, optimizer } = trainer;
    buttons.draw();
    controls.draw(settings);
    flat.hidden = settings.loss !== "argmax";
    flat.textContent = `Through argmax: ${ARGMAX_IS_FLAT}. ${trainer.gradients.filter((gradient) => gradient !== 0).length} of ${plural(trainer.values.length, "gradient")} differ from 0; step as often as you like, not one bit of any parameter moves.`;
    const traced = trace(network, current.features);
    const hidden = pointed && pointed.layer > 0 && pointed.layer < network.layers.length ? pointed : null;
    mapTitle.textContent = hidden ? `What hidden unit ${hidden.index + 1}${network.layers.length > 2 ? ` of layer ${hidden.layer}` : ""} passes on` : "What it predicts at each point";
    // While it plays, one half is drawn with each frame, so that none takes long.
    draws += 1;
    if (!playground.isPlaying || draws % 2 || planes?.networks[0] !== network) {
      const words = `${data.classes[predictedClass(traced.probabilities)].name}, by the network in training`;
      planes = map && map.draw([network], [settings, epochs, position, optimizer.steps], words, hidden);
      scores.replaceChildren(...scoresOfTraining(trainer));
    }
    if (!playground.isPlaying || draws % 2 === 0) {
      drawNetwork(network, traced, picture(network, traced, null, "flow"), null, planes);
      const [gradients, words] = gradientsOfRow(traced);
      ofRowAbove.replaceChildren(gradients);
      pushes.replaceChildren(...words);
    }
    waitForTurn();
  });
  if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) pauseAfter();
  else play();
}

function makeButtons() {
  const button = (text, click) => element("button", { type: "button", click }, text);
  const playing = button("Play", () => (playground.isPlaying ? pauseAfter() : play()));
  const told = element("output", { class: "told" });
  const others = [
    button("Step", () => pauseAfter(playground.trainer.step())),
    button("Epoch", () => pauseAfter(playground.trainer.epoch())),
    button("Start again", () => restart()),
    button("Another start", () => restart({ seed: playground.trainer.settings.seed + 1 })),
  ];
  return {
    bar: element("div", { class: "bar" }, playing, ...others, told),
    draw() {
      const { epochs, position, order, optimizer } = playground.trainer;
      playing.textContent = playground.isPlaying ? "Pause" : "Play";
      told.textContent = `epoch ${fixed(epochs + position / order.length, position ? 2 : 0)}, ${plural(optimizer.steps, "step")}`;
    },
  };
}

function rowsOfTraining({ rows, training, holdout }) {
  const whole = data.table.rows;
  const some = rows.length < whole ? ` A sample: the table has ${plural(whole, "row")}.` : "";
  return `It learns from ${plural(training.length, "row")}; ${plural(holdout.length, "row")} more are held out to judge it by.${some} Its inputs are standardised, without bins.`;
}

/** Choices of all settings; those of shape begin anew, all others hold from the next step on. */
function makeControls() {
  const hidden = () => playground.trainer.settings.hidden;
  const pick = (text, name, options, taken = (value) => ({ [name]: value })) => ({ name, ...choice(text, options, FIRST_SETTINGS[name], (value) => change(taken(value))) });
  const numbers = (text, name, values) => pick(text, name, values.map((value) => [value, value === Infinity ? "all rows" : String(value)]), (value) => ({ [name]: Number(value) }));
  const units = (text, layer) => {
    const set = () => restart({ hidden: hidden().with(layer, clip(Math.round(input.valueAsNumber) || 1, 1, MOST_HIDDEN)) });
    const input = element("input", { type: "number", min: 1, max: MOST_HIDDEN, step: 1, change: set });
    return { label: element("label", { class: "field" }, element("span", {}, text), input), input };
  };
  const layers = choice("Hidden layers", [[1, "1"], [2, "2"]], 1, (value) => restart({ hidden: [...hidden(), hidden()[0]].slice(0, Number(value)) }));
  const counts = [units("Units", 0), units("and", 1)];
  const picks = [
    pick("Loss", "loss", LOSSES),
    pick("Optimizer", "optimizer", [["adam", "Adam"], ["sgd", "gradient descent"]], (optimizer) => ({ optimizer, learningRate: USUAL_RATES[optimizer] })),
    numbers("Learning rate", "learningRate", [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]),
    numbers("Batch size", "batchSize", [1, 4, 16, 32, 128, Infinity]),
    numbers("Weight decay", "weightDecay", [0, 0.001, 0.01, 0.1, 1]),
  ];
  return {
    bar: element("div", { class: "bar" }, ...[layers, ...counts, ...picks].map(({ label }) => label)),
    draw(settings) {
      layers.select.value = settings.hidden.length;
      counts.forEach(({ input, label }, layer) => {
        label.hidden = layer >= settings.hidden.length;
        if (input !== document.activeElement) input.value = settings.hidden[layer] ?? "";
      });
      for (const { select, name } of picks) select.value = settings[name];
    },
  };
}

/** Loss over the epochs, and loss and accuracy now, of training and of held-out rows. */
function scoresOfTraining({ history, examples, settings: { loss } }) {
  const every = Math.ceil(history.length / MOST_POINTS) || 1;
  const shown = history.filter((_, i) => i % every === 0 || i === history.length - 1);
  const kinds = [["training", "training"], ["holdout", "held out"]];
  const most = 1.1 * Math.max(...shown.flatMap((scores) => kinds.map(([kind]) => scores[kind].loss || 0)), 0.1);
  const epochs = Math.max(10, history.at(-1)?.epoch ?? 0);
  const figures = kinds.map(([kind, name]) => {
    const last = examples[kind].length ? history.at(-1)?.[kind] : null;
    return [name, examples[kind].length.toLocaleString("en"), last ? fixed(last.loss, 4) : "\u2013", last ? percent(last.accuracy) : "\u2013"];
  });
  const words = figures.map(([name, , value, accuracy]) => `${name}: loss ${value}, accuracy ${accuracy}`).join("; ");
  const { svg, curve } = makeChart(words, { width: 400, height: 240 }, { to: epochs, title: "epoch", ticks: roundTicks(0, epochs) }, { to: most, ticks: roundTicks(0, most) });
  for (const [kind] of kinds) curve({ class: `curve mean ${kind}` }, shown.map((scores) => [scores.epoch, scores[kind].loss]));
  const units = { "cross-entropy": "nats per row", "squared-residuals": "squared residuals per row", argmax: "squared residuals of argmax: 2 of a row that is wrong" };
  const marks = kinds.map(([kind, name]) => [legendLine(`curve ${kind} mean`), name]);
  return [element("h3", {}, `Loss, ${units[loss]}`), svg, legend(...marks), table(["rows", "", "loss", "accuracy"], figures, { class: "numbers" })];
}

/** How hard each loss pushes the raw outputs for the row above: a table, and what it tells. */
function gradientsOfRow({ probabilities }) {
  const { label } = state;
  if (label === null) return ["", ["Choose a row, or an observed class, to see the gradients of its loss."]];
  const gradients = LOSSES.map(([loss]) => lossGradients(probabilities, label, loss));
  const rows = mostProbable(probabilities).map((k) => [classNamed(k), fixed(probabilities[k], 4), k === label ? "1" : "0", ...gradients.map((gradient) => short(gradient[k]))]);
  const lengths = ["length", "", "", ...gradients.map((gradient) => short(Math.hypot(...gradient)))];
  return [
    table(["class", "softmax", "observed", ...LOSSES.map(([, name]) => name)], [...rows, lengths], { class: "numbers" }),
    ["Gradients of each loss with respect to the raw outputs. This network gives the observed class ", classNamed(label), ` ${short(probabilities[label])}. Cross-entropy pushes the harder, the more wrong a row is; with squared residuals a factor p makes a hopelessly wrong row push hardly at all; through argmax none pushes.`],
  ];
}
