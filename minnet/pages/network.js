/* The network, forward and back: the few lines of minnet/network/, one row at a time. */

const LIMIT = 10;

/** Split the packed parameters of all networks into layers: weights (fan_in x fan_out), then biases. */
function makeNetworks(values, { sizes, networks, means, scales, bins, sharp_bins: isSharp }) {
  const edges = means.map((own, k) => edgesOfBins(own.length, k, bins));
  const shared = { places: placesOfInputs(edges[0]), heights: edges[0].map((own) => (isSharp ? 1 : (own.length - 1) ** -0.5)) };
  let start = 0;
  const take = (count) => values.subarray(start, (start += count));
  return Array.from({ length: networks }, (_, k) => ({
    ...shared,
    means: means[k],
    scales: scales[k],
    edges: edges[k],
    layers: sizes.slice(1).map((fanOut, place) => {
      const fanIn = sizes[place];
      return { fanIn, fanOut, weights: take(fanIn * fanOut), biases: take(fanOut) };
    }),
  }));
}

/** The edges of each feature's bins in one network; none of a feature without bins. */
function edgesOfBins(features, network, bins) {
  const edges = Array.from({ length: features }, () => []);
  bins?.columns.forEach((column, t) => edges[column].splice(-1, 1, bins.lower[network][t], bins.upper[network][t]));
  return edges;
}

/** How many weights and biases a network of these layers has. */
function parameterCount(sizes) {
  return sizes.slice(1).reduce((sum, fanOut, place) => sum + (sizes[place] + 1) * fanOut, 0);
}

/** Where the inputs of the first layer stand that are made of each feature: itself and, behind all features, its bins. */
function placesOfInputs(edges) {
  let start = edges.length;
  return edges.map((own, i) => [i, ...own.slice(1).map(() => start++)]);
}

/** Scale one input to mean 0 and deviation 1, as seen in training; a missing one becomes 0, the mean. */
function standardized(input, mean, scale) {
  if (Number.isNaN(input) || !(scale > 0)) return 0;
  return clip((input - mean) / scale, -LIMIT, LIMIT);
}

function clip(value, lowest, highest) {
  return Math.min(highest, Math.max(lowest, value));
}

/** Piecewise-linear features of a scaled number, one for each bin between its edges; of a bin without a width, 0. */
function binned(scaled, edges, height) {
  return edges.slice(1).map((upper, t) => {
    const width = upper - edges[t];
    return width > 0 ? (clip((scaled - edges[t]) / width, 0, 1) - 0.5) * height : 0;
  });
}

/** What one feature becomes: scaled, and its bins. */
function prepared(feature, i, { means, scales, edges, heights }) {
  const scaled = standardized(feature, means[i], scales[i]);
  return [scaled, ...binned(scaled, edges[i], heights[i])].map(Math.fround);
}

/** Inputs of the first layer: all features scaled, then all bins. */
function prepare(features, network) {
  const inputs = new Float64Array(network.layers[0].fanIn);
  features.forEach((feature, i) => prepared(feature, i, network).forEach((input, n) => (inputs[network.places[i][n]] = input)));
  return inputs;
}

/** Weighted sums: inputs @ weights + biases. An input of 0, such as a unit that is off, adds nothing. */
function dense(inputs, { weights, biases, fanIn, fanOut }, sums = new Float64Array(fanOut)) {
  sums.set(biases);
  for (let i = 0; i < fanIn; i++) {
    const input = inputs[i];
    if (input !== 0) for (let j = 0; j < fanOut; j++) sums[j] += input * weights[i * fanOut + j];
  }
  return sums;
}

function relu(sums) {
  return sums.map((sum) => Math.max(sum, 0));
}

/** e^logit over the sum of all e^logit; the maximum is taken off first, which changes nothing. */
function softmax(logits) {
  const largest = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((total, exponential) => total + exponential, 0);
  return exponentials.map((exponential) => exponential / sum);
}

function argmax(values) {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}

/** The class that is predicted: the most probable one or, of two, by the threshold; of a held-out row by that of its fold. */
function predictedClass(probabilities, fold, least = data.threshold?.of_folds[fold] ?? data.threshold?.probability) {
  return decided < 0 ? argmax(probabilities) : probabilities[decided] >= least ? decided : 1 - decided;
}

/** Everything on the way of one row through one network. */
function trace(network, features) {
  return forward(network, prepare(features, network));
}

/** The same from the inputs of the first layer on. */
function forward(network, inputs) {
  const layers = network.layers.map((layer, place) => {
    const sums = dense(inputs, layer);
    const outputs = place + 1 < network.layers.length ? relu(sums) : sums;
    const traced = { ...layer, inputs, sums, outputs };
    inputs = outputs;
    return traced;
  });
  return { layers, logits: inputs, probabilities: softmax(inputs) };
}

/** Predict one row with all networks: each one's probabilities, and their mean. */
function predict(networks, features) {
  const members = networks.map((network) => trace(network, features).probabilities);
  const mean = members[0].map((_, k) => members.reduce((sum, member) => sum + member[k], 0) / members.length);
  return { members, mean, label: predictedClass(mean) };
}

/** Features of a row by its columns' values, NaN where missing. */
function transform(columns, values) {
  return Float64Array.from(columns.flatMap((column, i) => columnFeatures(column, values[i])));
}

function columnFeatures(column, value) {
  const missing = column.has_missing ? [value === null ? 1 : 0] : [];
  if (column.kind === "number") return [value === null ? NaN : value, ...missing];
  return [...column.categories.map((category) => (category === value ? 1 : 0)), ...missing];
}

/** Why the prediction for a row deserves caution, as `minnet predict` says it. */
function cautions(columns, values, { members, label }) {
  const reasons = new Map();
  columns.forEach((column, i) => {
    const reason = caution(column, values[i]);
    if (reason) reasons.set(reason, [...(reasons.get(reason) ?? []), column.name]);
  });
  const told = [...reasons].map(([reason, names]) => `${reason}: ${names.join(", ")}`);
  return members.some((member) => predictedClass(member) !== label) ? [...told, "networks disagree"] : told;
}

function caution(column, value) {
  if (value === null) return column.has_missing ? null : "missing, but never missing in training";
  if (column.kind === "number") {
    return value < column.minimum || value > column.maximum ? "outside training range" : null;
  }
  if (column.categories.includes(value)) return null;
  return column.left_out ? "rare or unseen category" : "unseen category";
}

/** -ln of the probability of the observed class, from the raw outputs: ln(sum of e^z) - z. */
function crossEntropy(logits, label) {
  const largest = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return Math.log(sum) + largest - logits[label];
}

function squaredResiduals(probabilities, label) {
  return probabilities.reduce((sum, p, k) => sum + (p - (k === label ? 1 : 0)) ** 2, 0);
}

/** The loss of one row; through argmax, squared residuals of what argmax puts out: 0 or 2. */
function lossOf({ logits, probabilities }, label, loss) {
  if (loss === "cross-entropy") return crossEntropy(logits, label);
  const best = argmax(logits);
  return squaredResiduals(loss === "argmax" ? logits.map((_, k) => (k === best ? 1 : 0)) : probabilities, label);
}

/** Gradient of the loss with respect to the raw outputs; of cross-entropy: softmax minus target; through argmax: 0. */
function lossGradients(probabilities, label, loss) {
  const residuals = probabilities.map((p, k) => p - (k === label ? 1 : 0));
  if (loss === "cross-entropy") return residuals;
  if (loss === "argmax") return residuals.fill(0);
  const shared = residuals.reduce((sum, residual, k) => sum + 2 * residual * probabilities[k], 0);
  return residuals.map((residual, k) => (2 * residual - shared) * probabilities[k]);
}

/** Send gradients back: for each layer those of its outputs, and of its sums (0 where ReLU blocks). */
function backward({ layers, probabilities }, label, loss) {
  let outputs = lossGradients(probabilities, label, loss);
  const gradients = [];
  for (let place = layers.length - 1; place >= 0; place--) {
    const layer = layers[place];
    const sums = place + 1 === layers.length ? outputs : outputs.map((gradient, j) => (layer.outputs[j] > 0 ? gradient : 0));
    gradients.unshift({ outputs, sums });
    if (place) outputs = inputGradients(layer, sums);
  }
  return gradients;
}

/** What comes back to the inputs of a layer, along its weights. */
function inputGradients({ inputs, weights, fanOut }, sums) {
  return inputs.map((_, i) => sums.reduce((total, gradient, j) => total + gradient * weights[i * fanOut + j], 0));
}

/** Gradients with respect to the scaled features: their own, and what comes back through the one bin that each lies in. */
function scaledGradients({ places, edges, heights }, { layers: [first] }, [{ sums }]) {
  const gradients = inputGradients(first, sums);
  return places.map(([own, ...bins], i) =>
    bins.reduce((total, bin, t) => {
      const width = edges[i][t + 1] - edges[i][t];
      return width > 0 && Math.abs(first.inputs[bin]) < Math.fround(heights[i] / 2) ? total + (gradients[bin] * heights[i]) / width : total;
    }, gradients[own]),
  );
}
