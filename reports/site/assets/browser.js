// The list of a task's samples: searched, filtered, sorted and paged, every state of it an address of its own.
"use strict";

(() => {
  const { element, text, folded } = evalkit;
  const ROWS = 50;
  const SHOWN_LABELS = 300;
  const SORTS = {
    "": "as in the data set", worst: "worst first", best: "best first", errors: "most errors first",
    long: "longest first", short: "shortest first", id: "by name", lost: "what got worse first", gained: "what got better first",
  };
  const RESULTS = { "": "all", wrong: "not all right", right: "all right", failed: "failed", skipped: "skipped" };
  const CHANGES = {
    "": "all", fixed: "fixed: wrong before, right now", broken: "broken: right before, wrong now", both: "wrong in both",
    right: "right in both", better: "better score", worse: "worse score", other: "another answer",
  };
  const SIGNS = { fixed: "✓ fixed", broken: "✗ broken", both: "○ both wrong", right: "" };

  const collator = new Intl.Collator("en", { numeric: true });
  const settings = evalkit.settings;
  const place = document.getElementById("browser");
  if (!settings || !place) return;
  const runs = settings.runs;
  const better = settings.score.higher ? 1 : -1;

  let columns = []; // by run
  let rows = []; // the positions of a sample in every run, -1 where it lacks it
  let found = []; // numbers of the rows that are listed, in order
  let state = {};
  let shown = null; // the sample that is open: its row and its spoken answers
  const controls = {};

  // The state is what follows # in the address.
  function read() {
    const parameters = new URLSearchParams(location.hash.slice(1));
    state = Object.fromEntries([...parameters].filter(([, value]) => value !== ""));
  }

  function address(changes) {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...state, ...changes })) if (value !== "" && value !== null) parameters.set(name, value);
    return `#${parameters}`;
  }

  function change(changes) {
    history.replaceState(null, "", address({ page: "", ...changes }));
    read();
    list();
  }

  // The positions of every sample in the runs, by its id.
  function join() {
    const known = new Map();
    rows = [];
    columns.forEach((each, run) => (each.id ?? []).forEach((id, position) => {
      let row = known.get(id);
      if (row === undefined) {
        row = rows.length;
        known.set(id, row);
        rows.push(new Array(runs.length).fill(-1));
      }
      rows[row][run] = position;
    }));
  }

  // What the index says of a row in a run; of the first that has it if none is named.
  function of(row, name, run = rows[row].findIndex((position) => position >= 0)) {
    const position = rows[row][run];
    return position < 0 ? null : columns[run][name][position];
  }

  function newest() {
    const chosen = Number(state.new);
    return chosen > 0 && chosen < runs.length ? chosen : 1;
  }

  function changeOf(row) {
    if (runs.length < 2) return "";
    const [base, now] = [of(row, "wrong", 0), of(row, "wrong", newest())];
    if (base === null || now === null) return "";
    return base ? (now ? "both" : "fixed") : now ? "broken" : "right";
  }

  function gain(row) {
    const [base, now] = [of(row, "score", 0), of(row, "score", newest())];
    return base === null || now === null ? null : better * (now - base);
  }

  // Whether a row passes; one filter after the other, the cheapest first.
  function filters() {
    const tests = [];
    const anyRun = (test) => (row) => rows[row].some((position, run) => position >= 0 && test(columns[run], position));
    const results = {
      wrong: anyRun((column, at) => column.wrong[at] === 1), right: (row) => rows[row].every((at, run) => at < 0 || columns[run].wrong[at] === 0),
      failed: anyRun((column, at) => column.status[at] === "failed"), skipped: anyRun((column, at) => column.status[at] === "skipped"),
    };
    if (Object.hasOwn(results, state.result ?? "")) tests.push(results[state.result]);
    if (state.kind) tests.push(anyRun((column, at) => column.kind[at] === state.kind || column.flags[at].split(",").includes(state.kind)));
    const [low, high] = [parseFloat(state.from), parseFloat(state.to)];
    if (!Number.isNaN(low)) tests.push(anyRun((column, at) => column.score[at] !== null && column.score[at] >= low));
    if (!Number.isNaN(high)) tests.push(anyRun((column, at) => column.score[at] !== null && column.score[at] <= high));
    for (const [name, value] of Object.entries(state)) {
      if (name.startsWith("group.")) tests.push((row) => of(row, "groups")?.[name.slice(6)] === value);
    }
    const changes = {
      better: (row) => gain(row) > 0, worse: (row) => gain(row) < 0,
      other: (row) => of(row, "answer", 0) !== of(row, "answer", newest()),
    };
    if (state.change && runs.length > 1) tests.push(changes[state.change] ?? ((row) => changeOf(row) === state.change));
    const words = folded(state.q ?? "").split(/\s+/u).filter(Boolean);
    if (words.length) tests.push(anyRun((column, at) => words.every((word) => column.text[at].includes(word))));
    return tests;
  }

  function sorted(numbers) {
    const last = runs.length > 1 ? newest() : 0;
    const by = (value, sign) => {
      const values = new Map(numbers.map((row) => [row, value(row)]));
      const known = (row) => values.get(row) !== null && values.get(row) !== undefined;
      return (a, b) => Number(known(b)) - Number(known(a)) || (known(a) ? sign * (values.get(a) - values.get(b)) : 0) || a - b;
    };
    const score = (row) => of(row, "score", rows[row][last] >= 0 ? last : undefined);
    const errors = (row) => of(row, "errors", rows[row][last] >= 0 ? last : undefined);
    const orders = {
      worst: () => by(score, better), best: () => by(score, -better), errors: () => by(errors, -1),
      lost: () => by(gain, 1), gained: () => by(gain, -1),
      long: () => by((row) => of(row, "seconds"), -1), short: () => by((row) => of(row, "seconds"), 1),
      id: () => (a, b) => collator.compare(of(a, "id"), of(b, "id")),
    };
    return Object.hasOwn(orders, state.sort ?? "") ? numbers.sort(orders[state.sort]()) : numbers;
  }

  function number(value, decimals) {
    return value === null || value === undefined ? "–" : value.toFixed(decimals);
  }

  function line(row) {
    const id = String(of(row, "id"));
    const kind = changeOf(row);
    const link = element("a", { href: address({ sample: id }), "data-row": row }, text(id));
    const scores = runs.map((_, run) => element("td", { class: `n${of(row, "wrong", run) === 1 ? " wrong" : ""}` }, number(of(row, "score", run), settings.score.decimals)));
    const last = runs.length > 1 && rows[row][newest()] >= 0 ? newest() : undefined;
    return element(
      "tr", { class: shown?.row === row ? "open" : "" },
      element("th", { scope: "row" }, link),
      ...scores,
      runs.length > 1 ? element("td", { class: `change ${kind}` }, SIGNS[kind] ?? "") : "",
      element("td", { class: "n" }, number(of(row, "seconds"), 1)),
      element("td", { class: "said" }, text((of(row, "label") ?? "").replace(evalkit.WRITTEN_CALL, "calls $1 $2")), element("br"), element("span", { class: "answer" }, text(of(row, "answer", last) || of(row, "answer") || ""))),
    );
  }

  function list() {
    const began = performance.now();
    const tests = filters();
    const numbers = [];
    for (let row = 0; row < rows.length; row += 1) if (tests.every((test) => test(row))) numbers.push(row);
    found = sorted(numbers);
    const pages = Math.max(1, Math.ceil(found.length / ROWS));
    const page = Math.min(Math.max(0, (Number(state.page) || 1) - 1), pages - 1);
    controls.count.textContent = `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} samples`;
    controls.body.replaceChildren(...found.slice(page * ROWS, (page + 1) * ROWS).map(line));
    controls.pages.replaceChildren(...(pages > 1 ? paging(page, pages) : []));
    show();
    place.dataset.took = String(performance.now() - began);
  }

  function paging(page, pages) {
    const step = (to, title) => element("button", { type: "button", disabled: to < 0 || to >= pages, onclick: () => change({ page: to + 1 }) }, title);
    return [step(0, "First"), step(page - 1, "Previous"), element("span", {}, ` page ${page + 1} of ${pages} `), step(page + 1, "Next"), step(pages - 1, "Last")];
  }

  // Show the sample that the address names, if it is not shown already.
  async function show() {
    const row = state.sample === undefined ? -1 : rowOf(state.sample);
    const key = `${row} ${runs.length > 1 ? newest() : 0}`;
    if (shown?.key === key) return;
    shown = { row, key, spoken: [] };
    for (const each of controls.body.children) each.classList.toggle("open", Number(each.querySelector("a").dataset.row) === row);
    if (row < 0) {
      const missing = state.sample === undefined ? "Choose a sample." : `There is no sample ${evalkit.visible(state.sample)} here.`;
      controls.detail.replaceChildren(element("p", { class: "note" }, missing));
      return;
    }
    try {
      const having = runs.map((run, at) => ({ run, position: rows[row][at] })).filter(({ position }) => position >= 0);
      const records = await Promise.all(having.map(({ run, position }) => evalkit.record(run, position)));
      if (shown.key !== key) return;
      const { made, spoken } = evalkit.sample.view(having.map(({ run }, at) => ({ run, record: records[at] })), settings, { kind: changeOf(row), words: SIGNS[changeOf(row)] });
      shown.spoken = spoken;
      controls.detail.replaceChildren(made);
    } catch (error) {
      controls.detail.replaceChildren(element("p", { class: "state" }, `The sample cannot be shown (${error.message}).`));
    }
  }

  function rowOf(id) {
    for (let row = 0; row < rows.length; row += 1) if (String(of(row, "id")) === id) return row;
    return -1;
  }

  // Open the sample so many places after the one that is open.
  function move(steps) {
    if (!found.length) return;
    const at = shown && shown.row >= 0 ? found.indexOf(shown.row) : -1;
    const to = at < 0 ? (steps > 0 ? 0 : found.length - 1) : Math.min(found.length - 1, Math.max(0, at + steps));
    change({ sample: String(of(found[to], "id")), page: Math.floor(to / ROWS) ? Math.floor(to / ROWS) + 1 : "" });
    controls.body.querySelector("tr.open")?.scrollIntoView({ block: "nearest" });
  }

  const KEYS = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
    p: () => evalkit.sounds.toggle(0), b: () => evalkit.sounds.playInTurn(shown?.spoken ?? []),
    s: () => shown?.spoken.length && evalkit.sounds.toggle(shown.spoken.at(-1)),
    g: () => evalkit.sounds.players[0]?.button.click(),
    c: () => controls.detail.querySelector(".copy")?.click(),
    "/": () => controls.q.focus(),
    "?": () => { controls.help.open = !controls.help.open; },
    Escape: () => change({ sample: "" }),
  };

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, audio, summary, [role=region], pre")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (/^[1-9]$/.test(event.key)) evalkit.sounds.toggle(Number(event.key) - 1);
    else if (KEYS[event.key]) KEYS[event.key]();
    else return;
    event.preventDefault();
  }

  function select(name, title, options) {
    const made = element("select", { id: `filter-${name}`, onchange: () => change({ [name]: made.value }) }, ...Object.entries(options).map(([value, words]) => element("option", { value }, evalkit.visible(words))));
    controls[name] = made;
    return element("span", { class: "control" }, element("label", { for: `filter-${name}` }, evalkit.visible(title)), made);
  }

  function input(name, title, attributes) {
    let waiting;
    const made = element("input", {
      id: `filter-${name}`, ...attributes,
      oninput: () => { clearTimeout(waiting); waiting = setTimeout(() => change({ [name]: made.value }), 80); },
    });
    controls[name] = made;
    return element("span", { class: "control" }, element("label", { for: `filter-${name}` }, title), made);
  }

  function present(values) {
    const count = new Map();
    for (const value of values) if (value) count.set(value, (count.get(value) ?? 0) + 1);
    return [...count].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  }

  function groupFilters() {
    const names = new Set(columns.flatMap((column) => (column.groups ?? []).flatMap((groups) => Object.keys(groups))));
    return [...names].map((name) => {
      const labels = present(columns.flatMap((column) => column.groups.map((groups) => groups[name])));
      if (labels.length < 2) return "";
      if (labels.length > SHOWN_LABELS) return input(`group.${name}`, name, { type: "search" });
      return select(`group.${name}`, name, { "": "all", ...Object.fromEntries(labels.map(([label, count]) => [label, runs.length > 1 ? label : `${label} (${count.toLocaleString("en")})`])) });
    });
  }

  function kindFilter() {
    const kinds = present(columns.flatMap((column) => [...(column.kind ?? []), ...(column.flags ?? []).flatMap((flags) => flags.split(","))]));
    return kinds.length ? select("kind", "Kind", { "": "all", ...Object.fromEntries(kinds.map(([kind]) => [kind, settings.flags[kind] ?? kind.replaceAll("_", " ")])) }) : "";
  }

  function build() {
    const sorts = Object.entries(SORTS).filter(([name]) => (runs.length > 1 || !["lost", "gained"].includes(name)) && (settings.transcribed || name !== "errors"));
    const unit = settings.score.unit ? `, ${settings.score.unit}` : "";
    const comparing = runs.length > 1
      ? [select("change", `Against ${runs[0].title}`, CHANGES), runs.length > 2 ? select("new", "Run", Object.fromEntries(runs.slice(1).map((run, at) => [at + 1, run.title]))) : ""]
      : [];
    const form = element(
      "form", { class: "filters", role: "search", "aria-label": "Filter samples", onsubmit: (event) => event.preventDefault() },
      input("q", "Search", { type: "search", placeholder: "words of texts or names", autocomplete: "off" }),
      select("result", "Result", RESULTS), kindFilter(), ...comparing, ...groupFilters(),
      input("from", "Score from", { type: "number", step: "any" }), input("to", "to", { type: "number", step: "any" }),
      select("sort", "Sort", Object.fromEntries(sorts)),
      element("button", { type: "button", onclick: () => { location.hash = ""; } }, "Clear"),
    );
    controls.count = element("p", { class: "count", role: "status" });
    controls.body = element("tbody");
    controls.pages = element("p", { class: "pages" });
    controls.detail = element("div", { class: "detail", "aria-live": "polite" });
    controls.help = element(
      "details", { class: "help" }, element("summary", {}, "Keys"),
      element("dl", {}, ...[
        ["j ↓ / k ↑", "next, previous sample"], ["p or 1", "play or pause the recording; 2 … 9 the further sounds"], ["s", "play the spoken answer of the newest run"],
        ["b", "hear the runs one after the other"], ["g", "spectrogram"], ["c", "copy the sample as JSON"], ["/", "search"], ["Esc", "close the sample"],
      ].flatMap(([keys, words]) => [element("dt", {}, element("kbd", {}, keys)), element("dd", {}, words)])),
    );
    const heads = [
      element("th", { scope: "col" }, "Sample"),
      ...runs.map((run) => element("th", { scope: "col", class: "n" }, text(runs.length > 1 ? run.title : `${settings.score.name}${unit}`))),
      runs.length > 1 ? element("th", { scope: "col" }, "Change") : "",
      element("th", { scope: "col", class: "n" }, "Seconds"), element("th", { scope: "col" }, "Reference and answer"),
    ];
    const caption = runs.length > 1 ? `${settings.score.name}${unit} of every sample` : "Samples";
    place.replaceChildren(
      form, controls.count, controls.help,
      element("div", { class: "panes" },
        element("div", { class: "list" },
          element("div", { class: "wide", role: "region", tabindex: 0, "aria-label": "List of samples" }, element("table", { class: "samples" }, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...heads)), controls.body)),
          controls.pages),
        controls.detail),
    );
  }

  function follow() {
    read();
    for (const [name, control] of Object.entries(controls)) {
      if (control.matches?.("input, select") && document.activeElement !== control) control.value = state[name] ?? "";
    }
    list();
  }

  async function start() {
    place.replaceChildren(element("p", { class: "note" }, "The samples are being loaded …"));
    try {
      columns = await Promise.all(runs.map(evalkit.columns));
    } catch (error) {
      place.replaceChildren(element("p", { class: "state" }, `The samples cannot be loaded (${error.message}).`));
      return;
    }
    join();
    build();
    follow();
    window.addEventListener("hashchange", follow);
    document.addEventListener("keydown", pressed);
    place.dataset.ready = "yes";
  }

  start();
})();
