// One sample, of one run or of several side by side: sounds, alignment, conversation, tool calls, what was asked.
"use strict";

evalkit.sample = (() => {
  const { element, text, visible } = evalkit;
  const SIGNS = { S: "substitution", D: "deletion", I: "insertion" };

  function part(title, ...content) {
    const filled = content.flat().filter((each) => each !== "" && each !== null);
    return filled.length ? element("section", { class: "part" }, element("h4", {}, title), ...filled) : "";
  }

  function preformatted(value) {
    return element("pre", { dir: "auto", tabindex: 0 }, visible(typeof value === "string" ? value : JSON.stringify(value, null, 2)));
  }

  function folded(title, ...content) {
    return element("details", {}, element("summary", {}, title), ...content);
  }

  // Reference above answer, unit by unit; each error has its letter, so that it is seen without colour.
  function alignment(record) {
    if (!record.steps) return "";
    const counts = { S: 0, D: 0, I: 0 };
    const units = record.steps.map((step) => {
      if (typeof step === "string") {
        return element("span", { class: "unit" }, element("span", {}, visible(step)), element("span", {}, visible(step)), element("span", { class: "sign" }, "\u00a0"));
      }
      const [sign, reference, hypothesis] = step;
      counts[sign] += 1;
      return element(
        "span", { class: `unit ${SIGNS[sign]}`, title: SIGNS[sign] },
        reference === null ? element("span", { class: "gap", "aria-label": "nothing" }, "∗") : element("del", {}, visible(reference)),
        hypothesis === null ? element("span", { class: "gap", "aria-label": "nothing" }, "∗") : element("ins", {}, visible(hypothesis)),
        element("span", { class: "sign" }, sign),
      );
    });
    // Characters of a script without spaces stand close together.
    const dense = record.steps.every((step) => [...(typeof step === "string" ? step : step[1] ?? step[2])].length === 1) ? " dense" : "";
    const direction = direction_of(record.steps);
    const cut = record.units ? element("p", { class: "note" }, `The first ${record.steps.length.toLocaleString("en")} units of ${record.units.toLocaleString("en")}.`) : "";
    const summary = `${counts.S} substituted, ${counts.D} deleted, ${counts.I} inserted`;
    return [
      element("p", { class: "note" }, element("b", {}, "REF"), " above ", element("b", {}, "HYP"), `: ${summary}`),
      element("div", { class: `alignment${dense}`, dir: direction, lang: record.language, role: "group", "aria-label": `Alignment: ${summary}` }, ...units),
      cut,
    ];
  }

  function direction_of(steps) {
    const units = steps.map((step) => (typeof step === "string" ? step : step[1] ?? step[2])).join("");
    const strong = units.match(/[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]|\p{Script=Latin}|\p{Script=Han}/u);
    return strong && /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}]/u.test(strong[0]) ? "rtl" : "ltr";
  }

  function values(record, metrics) {
    const shown = Object.entries(record.values ?? {}).filter(([, value]) => value !== null);
    return element("p", { class: "values" }, ...shown.map(([key, value]) => {
      const metric = metrics[key] ?? { name: key, unit: "", decimals: 2 };
      return element("span", { class: "value" }, `${metric.name} `, element("b", {}, `${value.toFixed(metric.decimals)} ${metric.unit}`.trim()));
    }));
  }

  function state(record) {
    const reason = record.reason ? `, ${record.reason.kind.replaceAll("_", " ")}: ${record.reason.text}` : "";
    const words = record.status === "scored" ? "" : `${record.status}${reason}`;
    return words || record.flags ? element("p", { class: "state" }, words ? text(words) : "", ...(record.flags ?? []).map((flag) => element("span", { class: "flag" }, evalkit.settings.flags[flag] ?? flag))) : "";
  }

  // A reference: the calls of tools that it holds, taken apart, and what else it says.
  function reference(written, language) {
    const calls = [...written.matchAll(evalkit.WRITTEN_CALL)].map(([, name, json]) => ({ name, arguments: json }));
    const said = calls.length ? written.replace(evalkit.WRITTEN_CALL, "").trim() : written;
    return [said ? element("p", { class: "reference", dir: "auto", lang: language }, visible(said)) : "", ...toolCalls(calls)];
  }

  function toolCalls(calls) {
    return calls.map((call) => element("div", { class: "call" }, "calls ", element("b", {}, text(call.name || "nothing that can be read")), preformatted(indented(call.arguments))));
  }

  function indented(json) {
    try { return JSON.stringify(JSON.parse(json), null, 2); } catch { return json; }
  }

  // The title of each call of the chain: whose it is, numbered where one was asked several times.
  function titles(calls) {
    const count = {};
    return calls.map(({ role }) => {
      count[role] = (count[role] ?? 0) + 1;
      const name = role === "model" ? "Answer" : (role[0].toUpperCase() + role.slice(1)).replaceAll("_", " ");
      return calls.filter((each) => each.role === role).length > 1 ? `${name} ${count[role]}` : name;
    });
  }

  // What the model was told last, of which the answer is the reply: shown where a conversation has several rounds.
  function heard(call, title) {
    const last = call.role === "model" && /\d$/u.test(title) ? (call.asked?.messages ?? []).filter((message) => message.role !== "assistant").at(-1) : null;
    return last ? element("div", { class: "turn" }, ...parts(last)) : "";
  }

  // One call of the chain: who was asked, what came back, and on request all of both.
  function exchange(call, title, run) {
    const facts = [
      call.seconds ? `${call.seconds} s` : "",
      call.first_sound ? `first sound after ${call.first_sound} s` : "",
      call.finish_reason ? `finished: ${call.finish_reason}` : "",
      call.answered_by ? `by ${call.answered_by}` : "",
    ].filter(Boolean).join(", ");
    const { asked, speech, ...response } = call;
    const about = call.role === "judge" && asked ? folded("What the judge was asked", ...conversation(asked)) : "";
    return element(
      "div", { class: `exchange ${/^[\w-]+$/.test(call.role) ? call.role : ""}` },
      heard(call, title),
      element("h5", {}, text(title), facts ? element("small", {}, " ", text(facts)) : ""),
      call.failure ? element("p", { class: "state" }, text(`${call.failure.kind}: ${call.failure.message}`)) : "",
      call.text ? element("p", { class: "said", dir: "auto" }, visible(call.text)) : "",
      call.speech ? evalkit.sounds.player(call.speech, `${run.title}: ${title.toLowerCase()}`, "") : "",
      call.tool_calls ? toolCalls(call.tool_calls) : "",
      call.failure || call.text || call.speech || call.tool_calls ? "" : element("p", { class: "note" }, "nothing"),
      call.notes ? element("p", { class: "note" }, text(call.notes.join("; "))) : "",
      about,
      asked ? folded("Request and response as stored", preformatted({ asked, response })) : "",
    );
  }

  function conversation(asked) {
    return (asked.messages ?? []).map((message) => element(
      "div", { class: "turn" }, element("b", {}, text(message.role)), ...parts(message), ...toolCalls(message.tool_calls ?? []),
    ));
  }

  function parts(message) {
    return (message.content ?? []).map((each) => (typeof each === "string" ? preformatted(each) : element("p", {}, "♪ ", text(each.audio ?? ""))));
  }

  // What the data set says: options with the right one, turns of a conversation, and the rest by name.
  function asked(record) {
    const { choices, turns, question, questions, ...others } = record.metadata ?? {};
    const wanted = (record.references ?? []).map((each) => each.trim().toLowerCase());
    const options = Array.isArray(choices)
      ? element("ol", { class: "options", type: "A" }, ...choices.map((choice) => {
        const right = wanted.includes(String(choice).trim().toLowerCase());
        return element("li", right ? { class: "right" } : {}, text(choice), right ? " ✓ right" : "");
      }))
      : "";
    const said = Array.isArray(turns)
      ? turns.map((turn) => element("div", { class: "turn" }, element("b", {}, text(turn.role ?? "")), element("p", { dir: "auto" }, visible(turn.text ?? ""))))
      : "";
    const rows = [
      ...Object.entries(record.groups ?? {}), ...Object.entries(record.clusters ?? {}),
      ...Object.entries(others).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]),
      ...(record.language ? [["language", record.language]] : []),
    ];
    return [
      typeof question === "string" ? element("p", { dir: "auto" }, visible(question)) : "",
      Array.isArray(questions) ? element(questions.length > 1 ? "ol" : "div", {}, ...questions.map((each) => element(questions.length > 1 ? "li" : "p", { dir: "auto" }, visible(each)))) : "",
      options, said,
      rows.length ? element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, text(name)), element("dd", {}, text(value))])) : "",
    ];
  }

  function copyButton(records) {
    const message = element("span", { role: "status" });
    const button = element("button", {
      type: "button", class: "copy",
      onclick: async () => {
        const json = JSON.stringify(records.length === 1 ? records[0] : records, null, 2);
        try {
          await navigator.clipboard.writeText(json);
          message.textContent = " copied";
        } catch { // not allowed here: select it for the person to copy
          const area = element("textarea", { class: "offscreen", "aria-hidden": "true" });
          area.value = json;
          document.body.append(area);
          area.select();
          message.textContent = document.execCommand("copy") ? " copied" : " cannot be copied here";
          area.remove();
        }
      },
    }, "Copy as JSON");
    return [button, message];
  }

  // Return the whole view of a sample.
  function view(found, settings, change) {
    evalkit.sounds.clear();
    const [{ record: first }] = found;
    const sounds = (first.audio ?? []).map((sound, at, all) => evalkit.sounds.player(sound, all.length > 1 ? `Recording ${at + 1}` : "Recording", at < 9 ? String(at + 1) : ""));
    const answers = found.map(({ run, record }) => {
      const own = evalkit.sounds.players.length;
      const made = element(
        "section", { class: "answers", "aria-label": run.title },
        element("h4", {}, text(run.title)),
        state(record), values(record, settings.metrics), alignment(record),
        ...(record.calls ?? []).map((call, at, all) => exchange(call, titles(all)[at], run)),
        details(record),
      );
      return { made, own: evalkit.sounds.players.length > own ? own : -1 };
    });
    const spoken = answers.map(({ own }) => own).filter((own) => own >= 0);
    const both = spoken.length > 1
      ? element("button", { type: "button", onclick: () => evalkit.sounds.playInTurn(spoken) }, "Hear the runs one after the other ", element("kbd", {}, "b"))
      : "";
    const made = element(
      "article", { class: "sample", "aria-label": `Sample ${first.id}` },
      element("h3", { tabindex: -1 }, text(first.id), change.words ? element("span", { class: `change ${change.kind}` }, change.words) : ""),
      element("p", { class: "tools" }, both, ...copyButton(found.map(({ run, record }) => ({ run: run.name, task: settings.name, ...record })))),
      part("Recording", sounds),
      part(first.references?.length > 1 ? "References" : "Reference", (first.references ?? []).map((each) => reference(each, first.language))),
      part("What is known of it", asked(first)),
      element("div", { class: "runs" }, ...answers.map((each) => each.made)),
    );
    return { made, spoken };
  }

  function details(record) {
    const rows = Object.entries(record.details ?? {}).filter(([name, value]) => value.trim() && (!record.steps || !/_normalised$/.test(name)));
    return rows.length
      ? element("dl", { class: "details" }, ...rows.flatMap(([name, value]) => [element("dt", {}, text(name.replaceAll("_", " "))), element("dd", { dir: "auto" }, visible(value))]))
      : "";
  }

  return { view };
})();
