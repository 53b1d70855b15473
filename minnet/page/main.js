/* The page: its title, its sections, and the row it starts with. */

function makeAbout(place) {
  const settings = table(["setting", ""], Object.entries(data.settings), { class: "numbers" });
  place.append(
    element("details", {}, element("summary", {}, "How it was trained"), scrolling("Settings", settings)),
    element("p", { class: "hint" }, `Written by minnet ${data.version}. This file holds the model and the rows it shows; it loads nothing and sends nothing.`),
  );
}

function makeTitle() {
  const { sizes } = data.network;
  const rows = data.classes.reduce((sum, one) => sum + one.rows, 0);
  const parameters = sizes.slice(1).reduce((sum, fanOut, place) => sum + (sizes[place] + 1) * fanOut, 0);
  const inputs = BINS ? `${data.features.length} features and ${BINS} bins` : sizes[0];
  document.title = `${data.target} from ${data.trained_on}: a model to play with`;
  document.getElementById("title").replaceChildren("Predict ", named(data.target), " from ", named(data.trained_on));
  document.getElementById("summary").append(
    `${plural(networks.length, "network")} of ${plural(parameters, "parameter")} (${[inputs, ...sizes.slice(1)].join(" \u2192 ")}), trained on ${plural(rows, "row")} to tell ${data.classes.length} classes apart.`,
  );
}

/** With scores, the page starts with the row it got most wrong; else in the middle of the training rows. */
function start() {
  makeTitle();
  makeAsk(document.getElementById("ask-view"));
  makeInside(document.getElementById("inside-view"));
  makeRegions(document.getElementById("regions-view"));
  makeLearned(document.getElementById("learned-view"));
  makeTrust(document.getElementById("trust-view"));
  makeAbout(document.getElementById("about"));
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
