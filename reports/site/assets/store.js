// The data of a page. A page that is opened from disk may load scripts and nothing else from its folder, so that all
// data are scripts that call the functions below.
"use strict";

const evalkit = (() => {
  const root = document.currentScript.src.replace(/site\/store\.js.*$/, "");
  const loading = new Map(); // by address, the promise of a script that was asked for
  const pieces = new Map(); // by folder and number, records; the newest last
  const indices = new Map(); // by folder, pieces of the index
  const spectrograms = new Map();
  const MOST_PIECES = 24;
  const store = { settings: null, vocabulary: null };

  function load(name) {
    if (!loading.has(name)) {
      loading.set(name, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = root + name;
        script.onload = () => { script.remove(); done(); };
        script.onerror = () => { loading.delete(name); failed(new Error(`${name} cannot be loaded`)); };
        document.head.append(script);
      }));
    }
    return loading.get(name);
  }

  // What data scripts call.
  store.task = (settings) => { store.settings = settings; };
  store.words = (vocabulary) => { store.vocabulary = vocabulary; };
  store.spectrogram = (name, frames, bands, levels) => { spectrograms.set(name, { frames, bands, levels }); };
  store.index = (folder, number, columns) => {
    if (!indices.has(folder)) indices.set(folder, []);
    indices.get(folder)[number] = columns;
  };
  store.rows = (folder, number, records, shared) => {
    pieces.set(`${folder} ${number}`, records.map((record) => filled(record, shared)));
  };

  // A long value that stands in a file once is named by its position.
  function filled(value, shared) {
    if (Array.isArray(value)) return value.map((item) => filled(item, shared));
    if (value === null || typeof value !== "object") return value;
    const keys = Object.keys(value);
    if (keys.length === 1 && keys[0] === "$" && Number.isInteger(value.$)) return shared[value.$] ?? null;
    return Object.fromEntries(keys.map((key) => [key, filled(value[key], shared)]));
  }

  // Return all columns of a run's index, whose pieces are put together.
  store.columns = async (run) => {
    const names = Array.from({ length: run.index }, (_, number) => `${run.folder}/index-${String(number).padStart(3, "0")}.js`);
    await Promise.all(names.map(load));
    const columns = {};
    for (const piece of indices.get(run.folder) ?? []) {
      for (const name of Object.keys(piece)) columns[name] = (columns[name] ?? []).concat(piece[name]);
    }
    indices.delete(run.folder);
    return columns;
  };

  // Return the record of the sample at a position of a run.
  store.record = async (run, position) => {
    const number = Math.floor(position / run.piece);
    const key = `${run.folder} ${number}`;
    if (!pieces.has(key)) {
      const name = `${run.folder}/${String(number).padStart(5, "0")}.js`;
      loading.delete(name);
      await load(name);
    }
    const piece = pieces.get(key);
    pieces.delete(key);
    pieces.set(key, piece);
    if (pieces.size > MOST_PIECES) pieces.delete(pieces.keys().next().value);
    return piece[position % run.piece];
  };

  store.drawing = async (name) => {
    if (!spectrograms.has(name)) await load(`audio/${name}.js`);
    return spectrograms.get(name);
  };

  store.load = load;
  store.root = root;

  // Make an element. Texts become text and never markup, whatever they hold.
  store.element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== ""));
    return made;
  };

  // Controls and marks that turn the direction of writing are spelled out, as in all that evalkit prints.
  const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
  store.visible = (text) => String(text).replace(UNSEEN, (sign) => {
    const [letter, digits] = sign.length > 1 ? ["U", 8] : sign < "\u0100" ? ["x", 2] : ["u", 4];
    return `\\${letter}${sign.codePointAt(0).toString(16).padStart(digits, "0")}`;
  });

  // A text that a model or a data set wrote, whose direction of writing turns nothing around it.
  store.text = (text, attributes = {}) => store.element("bdi", { dir: "auto", ...attributes }, store.visible(text));

  // A call of a tool as benchmarks write it in their references: its name and its arguments.
  store.WRITTEN_CALL = /<tool_call>\s*function\s*\n\s*([^\n]*?)\s*\n\s*([\s\S]*?)\s*<\/tool_call>/gu;

  store.folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  return store;
})();
