// Every word of a task's references: how often it was said, and how often each run recognised it.
"use strict";

(() => {
  const { element, text, folded } = evalkit;
  const MOST = 200;
  const place = document.querySelector(".vocabulary");
  if (!place || !evalkit.settings?.words) return;
  const runs = evalkit.settings.runs.map((run) => run.title);
  const words = element("input", { type: "search", id: "word" });
  const order = element("select", { id: "word-order" }, ...["most often wrong", "said most often", "gained most", "lost most", "by spelling"].map((title, at) => element("option", { value: at }, title)));
  const body = element("tbody");
  const more = element("p", { class: "note", role: "status" });

  function list() {
    const sought = folded(words.value);
    const last = runs.length + 1;
    const orders = [
      (a, b) => b[1] - b[last] - (a[1] - a[last]), (a, b) => b[1] - a[1],
      (a, b) => b[last] - b[2] - (a[last] - a[2]), (a, b) => a[last] - a[2] - (b[last] - b[2]), (a, b) => a[0].localeCompare(b[0]),
    ];
    const found = evalkit.vocabulary.filter(([word]) => folded(word).includes(sought)).sort(orders[order.value]);
    body.replaceChildren(...found.slice(0, MOST).map(([word, said, ...right]) => element(
      "tr", {}, element("th", { scope: "row" }, text(word)), element("td", { class: "n" }, said.toLocaleString("en")),
      ...right.map((count) => element("td", { class: "n" }, `${((100 * count) / said).toFixed(1)} % (${count.toLocaleString("en")})`)),
    )));
    more.textContent = found.length > MOST ? `The first ${MOST} of ${found.length.toLocaleString("en")} words.` : "";
  }

  async function open() {
    if (!evalkit.vocabulary) {
      await evalkit.load(evalkit.settings.words);
      const heads = ["Word", "Said", ...runs].map((title, at) => element("th", { scope: "col", class: at ? "n" : null }, text(title)));
      place.replaceChildren(
        element("p", { class: "filters" }, element("label", { for: "word" }, "Word "), words, " ", element("label", { for: "word-order" }, "Order "), order),
        element("div", { class: "wide", role: "region", tabindex: 0, "aria-label": "Words" }, element("table", {}, element("caption", {}, "Share recognised, and how often"), element("thead", {}, element("tr", {}, ...heads)), body)),
        more,
      );
    }
    list();
  }

  words.addEventListener("input", list);
  order.addEventListener("change", list);
  place.closest("details").addEventListener("toggle", (event) => event.target.open && open());
})();
