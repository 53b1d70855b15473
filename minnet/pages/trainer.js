/* Training in the browser, as in examples/from_scratch.py: forward, backward, step; float64, row by row. */

const MOST_EXAMPLES = 2000;
const HELD_OUT = 8;
const PRODUCTS_OF_A_TURN = 400_000;
const MOST_ROWS_OF_A_TURN = 512;

/** Values that decay shrink (Loshchilov, Hutter 2019), then each steps against its gradient. */
class GradientDescent {
  constructor(decays) {
    this.decays = decays;
    this.steps = 0;
  }

  step(values, gradients, { learningRate, weightDecay }) {
    const kept = 1 - learningRate * weightDecay;
    if (kept !== 1) this.decays.forEach((decays, i) => (values[i] *= decays ? kept : 1));
    this.steps += 1;
    this.descend(values, gradients, learningRate);
  }

  descend(values, gradients, learningRate) {
    for (let i = 0; i < values.length; i++) values[i] -= learningRate * gradients[i];
  }
}

/** Steps of about equal size for every value (Kingma, Ba 2015, algorithm 1). */
class Adam extends GradientDescent {
  constructor(decays) {
    super(decays);
    this.firsts = new Float64Array(decays.length);
    this.seconds = new Float64Array(decays.length);
  }

  descend(values, gradients, learningRate) {
    const { firsts, seconds, steps } = this;
    // Both moments began at 0: this makes up for it.
    const [ofFirst, ofSecond] = [1 - 0.9 ** steps, 1 - 0.999 ** steps];
    for (let i = 0; i < values.length; i++) {
      firsts[i] = 0.9 * firsts[i] + 0.1 * gradients[i];
      seconds[i] = 0.999 * seconds[i] + 0.001 * gradients[i] ** 2;
      values[i] -= (learningRate * firsts[i]) / ofFirst / (Math.sqrt(seconds[i] / ofSecond) + 1e-8);
    }
  }
}

const OPTIMIZERS = { adam: Adam, sgd: GradientDescent };

/** Numbers in 0 to 1, the same ones for the same seed (Mulberry32). */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number of a normal distribution of mean 0 and deviation 1 (Box, Muller 1958). */
function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Every item once, in random order (Fisher, Yates). */
function shuffled(items, random) {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/**
 * The labelled rows that this page holds, or some of them, evenly chosen: where they stand in the table and, for each,
 * the inputs of a network without bins, scaled as for the model's first one. Held out are the rows of about an eighth
 * of the folds, the first one's among them; of a table that the model was not trained on, every eighth row.
 */
function makeExamples({ cells, labels, held_out_by: heldOutBy }) {
  const labelled = [...labels.keys()].filter((row) => labels[row] >= 0);
  const every = Math.max(1, labelled.length / MOST_EXAMPLES);
  const rows = Array.from({ length: Math.floor(labelled.length / every) }, (_, i) => labelled[Math.floor(i * every)]);
  const known = rows.some((row) => heldOutBy[row] >= 0);
  const folds = Math.max(1, Math.round(networks.length / HELD_OUT));
  const [training, holdout] = [[], []];
  const isHeldOut = (row, i) => (known ? heldOutBy[row] >= 0 && heldOutBy[row] < folds : i % HELD_OUT === 0);
  rows.forEach((row, i) => (isHeldOut(row, i) ? holdout : training).push(i));
  const edges = data.features.map(() => []);
  const preparation = { ...networks[0], edges, places: placesOfInputs(edges), layers: [{ fanIn: edges.length }] };
  const inputs = rows.map((row) => prepare(transform(columns, cells.map((column) => column[row])), preparation));
  return { rows, training, holdout, inputs, labels: rows.map((row) => labels[row]) };
}

/**
 * A network that learns. Its work comes in generators that yield after each row, so that whoever runs them decides when
 * the browser gets a turn; one that is not run to its end leaves the parameters as they were before its batch.
 *
 * settings  hidden (units of each layer), seed, loss, optimizer, learningRate, weightDecay, batchSize
 */
class Trainer {
  constructor(examples, settings) {
    const sizes = [data.features.length, ...settings.hidden, data.classes.length];
    const count = parameterCount(sizes);
    const { means, scales } = networks[0];
    const shape = { sizes, networks: 1, means: [means], scales: [scales] };
    Object.assign(this, { examples, settings, values: new Float64Array(count), gradients: new Float64Array(count) });
    const views = (values) => makeNetworks(values, shape)[0];
    this.network = views(this.values);
    this.totals = views(this.gradients).layers;
    this.decays = new Uint8Array(count);
    for (const { weights } of views(this.decays).layers) weights.fill(1);
    this.random = randomNumbers(settings.seed);
    // He 2015: of variance 2 / inputs, as ReLU cuts half of the sums; biases of 0.
    for (const { weights, fanIn } of this.network.layers) weights.forEach((_, i) => (weights[i] = normal(this.random) * Math.sqrt(2 / fanIn)));
    this.order = shuffled(examples.training, this.random);
    Object.assign(this, { position: 0, epochs: 0, history: [] });
    this.change({});
  }

  /** Take other settings; another loss or optimizer begins without what was remembered from step to step. */
  change(settings) {
    const { loss, optimizer } = this.settings;
    this.settings = { ...this.settings, ...settings };
    if (loss !== this.settings.loss) this.history = [];
    if (this.optimizer && loss === this.settings.loss && optimizer === this.settings.optimizer) return;
    this.optimizer = new OPTIMIZERS[this.settings.optimizer](this.decays);
  }

  /** Fill the gradients with those of the mean loss of some rows. */
  *backward(batch) {
    const { inputs, labels } = this.examples;
    this.gradients.fill(0);
    for (const row of batch) {
      const traced = forward(this.network, inputs[row]);
      addGradients(this.totals, traced, backward(traced, labels[row], this.settings.loss), 1 / batch.length);
      yield "row";
    }
  }

  /** One batch, and one step. */
  *step() {
    const batch = this.order.slice(this.position, this.position + this.settings.batchSize);
    yield* this.backward(batch);
    // Nothing else moves what no gradient moves.
    const weightDecay = this.settings.loss === "argmax" ? 0 : this.settings.weightDecay;
    this.optimizer.step(this.values, this.gradients, { ...this.settings, weightDecay });
    this.position += batch.length;
    if (this.position < this.order.length) return;
    this.epochs += 1;
    this.position = 0;
    this.order = shuffled(this.order, this.random);
  }

  /** Steps to the end of the epoch: every training row once. */
  *epoch() {
    do yield* this.step();
    while (this.position);
  }

  /** Mean loss and accuracy of the training rows and the held-out rows, at the end of the history. */
  *judge() {
    const { inputs, labels, training, holdout } = this.examples;
    const scores = { epoch: this.epochs + this.position / this.order.length, worst: null };
    let most = -Infinity;
    for (const [name, rows] of Object.entries({ training, holdout })) {
      let [loss, correct] = [0, 0];
      for (const row of rows) {
        const traced = forward(this.network, inputs[row]);
        const wrong = crossEntropy(traced.logits, labels[row]);
        if (wrong > most) [most, scores.worst] = [wrong, row];
        loss += lossOf(traced, labels[row], this.settings.loss);
        correct += argmax(traced.logits) === labels[row];
        yield "row";
      }
      scores[name] = { loss: loss / rows.length, accuracy: correct / rows.length };
    }
    this.history.push(scores);
  }

  /** Epoch after epoch, judged after each; the random start, too. */
  *play(epochs = Infinity) {
    if (!this.history.length) yield* this.judge();
    for (let k = 0; k < epochs; k++) {
      yield* this.epoch();
      yield* this.judge();
      yield "epoch";
    }
  }

  /** How many rows may pass until the browser gets a turn: the fewer, the larger the network. */
  get rowsOfATurn() {
    return Math.max(1, Math.min(MOST_ROWS_OF_A_TURN, Math.floor(PRODUCTS_OF_A_TURN / this.values.length)));
  }
}

/** Add a share of the gradients of one row: of a weight, input times the gradient of the sum; of a bias, that gradient. */
function addGradients(totals, { layers }, gradients, share) {
  layers.forEach(({ inputs, fanIn, fanOut }, place) => {
    const { weights, biases } = totals[place];
    const { sums } = gradients[place];
    for (let j = 0; j < fanOut; j++) biases[j] += share * sums[j];
    for (let i = 0; i < fanIn; i++) {
      const input = share * inputs[i];
      if (input !== 0) for (let j = 0; j < fanOut; j++) weights[i * fanOut + j] += input * sums[j];
    }
  });
}

/** Go on with some work for at most so many rows, or to the end of an epoch; tells whether there is more. */
function turn(work, rows) {
  for (let row = 0; row < rows; row++) {
    const { done, value } = work.next();
    if (done || value === "epoch") return !done;
  }
  return true;
}
