/* The page: its title, its sections, and the row it starts with. */

function makeAbout(place) {
  const settings = table(["setting", ""], Object.entries(data.settings), { class: "numbers" });
  place.append(
    element("details", {}, element("summary", {}, "How it was trained"), scrolling("Settings", settings)),
    element("p", { class: "hint" }, `Written by minnet ${data.version}. It loads nothing and sends nothing. ${data.table ? `But it holds ${plural(data.table.numbers.length, "row")} of the table: who passes it on passes them on.` : "It holds the model, and no rows."}`),
  );
}

function makeTitle() {
  const { sizes } = data.network;
  const rows = data.classes.reduce((sum, one) => sum + one.rows, 0);
  const inputs = BINS ? `${data.features.length} features and ${BINS} bins` : sizes[0];
  document.title = `${data.target} from ${data.trained_on}: a model to play with`;
  document.getElementById("title").replaceChildren("Predict ", named(data.target), " from ", named(data.trained_on));
  document.getElementById("summary").append(`${plural(networks.length, "network")} of ${plural(parameterCount(sizes), "parameter")} (${[inputs, ...sizes.slice(1)].join(" \u2192 ")}), trained on ${plural(rows, "row")} to tell ${data.classes.length} classes apart.`);
}

/** With scores, the page starts with the row it got most wrong; else in the middle of the training rows. */
function start() {
  makeTitle();
  const makers = { "ask-view": makeAsk, "inside-view": makeInside, "regions-view": makeRegions, "learned-view": makeLearned, "train-view": makePlayground, "trust-view": makeTrust, about: makeAbout };
  for (const [place, make] of Object.entries(makers)) make(document.getElementById(place));
  update(data.table ? ofRow(data.evaluation ? positionOf(data.evaluation.most_wrong[0].row) : 0) : {});
  drawViews(true);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => update());
  const printed = (isPrinted) => () => {
    document.documentElement.classList.toggle("printed", isPrinted);
    update();
    drawViews(true);
  };
  window.addEventListener("beforeprint", printed(true));
  window.addEventListener("afterprint", printed(false));
}

start();
