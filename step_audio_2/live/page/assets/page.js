// The conversation as it is seen. Whatever a model, a tool or a document says is put in as text, never as markup.

import { HEARD, Microphone, Player, decoded } from "./sound.js";

const MICROPHONE = 0; // what a binary message begins with
const RECORDING = 1;
const MOST_UNSENT = 1 << 18; // bytes; a connection that is slower than speech loses some of it

const find = (id) => document.getElementById(id);
const player = new Player(played);
const microphone = new Microphone((samples) => sendSound(MICROPHONE, samples));

let socket = null;
let agents = [];
let longestRecording = 0; // seconds
let turn = null; // the one under way
let last = null; // the one shown last
let asked = 0; // when the user had said all
let isSilenced = false; // what still comes of the turn is not played

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function connect() {
  socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/talk`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => (typeof data === "string" ? show(JSON.parse(data)) : play(data));
  socket.onclose = ({ reason }) => {
    switchOff();
    endTurn();
    setState("closed", "Not connected");
    complain(`${reason || "The connection is gone"}; reload the page to begin anew`);
  };
}

function send(order) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(order));
}

function sendSound(kind, samples) {
  if (socket.readyState !== WebSocket.OPEN || (kind === MICROPHONE && socket.bufferedAmount > MOST_UNSENT)) return;
  const message = new Uint8Array(1 + samples.byteLength);
  message[0] = kind;
  message.set(new Uint8Array(samples.buffer), 1);
  socket.send(message);
}

// What the server tells.

function show(message) {
  const shows = {
    agents: () => {
      agents = message.agents;
      find("text").maxLength = find("system").maxLength = message.longest_text;
      longestRecording = message.longest_recording;
      find("agent").replaceChildren(...agents.map(({ title }, number) => new Option(title, number)));
      offer();
      begin();
    },
    begun: () => {
      find("save").href = `conversations/${message.conversation}`;
      rest();
    },
    speech_started: () => {
      if (turn) stop();
      setState("hearing", "Hearing you");
    },
    speech_ended: () => {
      asked = performance.now();
      setState("thinking", "Thinking");
    },
    turn_started: () => startTurn(message),
    words: () => {
      turn.words.textContent += message.text;
      time("word");
    },
    thought: () => {
      const thought = element("details", "thought");
      const length = `${message.tokens} tokens, ${message.seconds.toFixed(1)} s`;
      thought.append(element("summary", "", `Thought (${length})`), element("p", "", message.text.trim()));
      turn.beside.append(thought);
    },
    tool_started: () => {
      turn.call = element("section", "call");
      turn.call.append(element("h2", "", message.name), element("code", "", message.arguments));
      turn.call.append(element("p", "result", "…"));
      turn.beside.append(turn.call);
    },
    tool_finished: () => showResult(message),
    turn_ended: () => endTurn(message),
    fault: () => {
      complain(message.message);
      if (!turn) rest();
    },
  };
  shows[message.type]?.();
  if (isAtEnd) find("turns").scrollTop = find("turns").scrollHeight;
}

function startTurn({ turn: number, said }) {
  endTurn();
  find("hint")?.remove();
  player.begin(number);
  isSilenced = false;
  if (said === null && last) last.article.remove();
  const article = element("article", "turn");
  const said_ = said === null ? last?.said : said;
  article.append(element("p", "said", typeof said_ === "number" ? `♪ ${said_.toFixed(1)} s of speech` : said_));
  turn = {
    number,
    article,
    said: said_,
    words: element("p", "words"),
    times: element("p", "times"),
    beside: element("div", "beside"),
    seconds: {},
  };
  const answer = element("div", "answer");
  answer.append(turn.words, turn.times);
  article.append(answer, turn.beside);
  article.setAttribute("aria-busy", "true");
  find("turns").append(article);
  last = turn;
  setState("thinking", "Thinking");
  for (const id of ["stop", "again"]) find(id).disabled = false;
}

function showResult({ text, failed, seconds, documents, voice }) {
  const { call } = turn;
  call.querySelector(".result").textContent = text;
  call.classList.toggle("failed", failed);
  call.append(element("p", "times", `${failed ? "failed, " : ""}${seconds.toFixed(1)} s`));
  if (voice) call.append(element("p", "voice", `Voice from the next answer on: ${voice}`));
  for (const { title, text: content, source, date } of documents) {
    const found = element("details", "document");
    found.append(element("summary", "", title || source), element("p", "", content));
    found.append(element("p", "times", [source, date].filter(Boolean).join(", ")));
    call.append(found);
  }
}

function endTurn(end) {
  if (!turn) return;
  turn.article.setAttribute("aria-busy", "false");
  if (end?.interrupted) turn.article.classList.add("interrupted");
  if (end?.voice) turn.voice = end.voice;
  showTimes();
  turn = null;
  find("stop").disabled = true;
  find("save").hidden = false;
  if (find("state").dataset.state !== "hearing") rest();
}

function time(what) {
  turn.seconds[what] ??= (performance.now() - asked) / 1000;
  showTimes();
}

function showTimes() {
  const { seconds, voice, article } = turn;
  const parts = Object.entries(seconds).map(([what, value]) => `first ${what} ${value.toFixed(2)} s`);
  if (voice) parts.push(`voice ${voice}`);
  if (article.classList.contains("interrupted")) parts.push("interrupted");
  turn.times.textContent = parts.join(" · ");
}

// Sound.

function play(data) {
  if (!isSilenced) player.play(data);
}

function played(number, seconds, stopped) {
  send({ type: stopped ? "interrupt" : "played", turn: number, seconds });
  if (stopped || number !== turn?.number) return;
  time("sound");
  turn.article.dataset.played = seconds;
  if (find("state").dataset.state === "thinking") setState("speaking", "Speaking");
}

function stop() {
  isSilenced = true;
  player.stop();
}

async function switchOn() {
  try {
    const rate = await microphone.open();
    send({ type: "listen", rate });
    find("microphone").setAttribute("aria-pressed", "true");
    if (!turn) rest();
  } catch (error) {
    microphone.close();
    complain(`The microphone cannot be used: ${error.message}`);
  }
}

function switchOff() {
  microphone.close();
  send({ type: "listen", rate: 0 });
  find("microphone").setAttribute("aria-pressed", "false");
  if (!turn) rest();
}

const isListening = () => find("microphone").getAttribute("aria-pressed") === "true";

async function sendFile(file) {
  forgive();
  await player.open();
  let samples;
  try {
    samples = await decoded(file);
  } catch {
    complain(`${file.name}: this browser cannot read it as a recording`);
    return;
  }
  if (samples.length > longestRecording * HEARD) {
    complain(`${file.name}: a recording must last no longer than ${longestRecording} seconds`);
    return;
  }
  ask(() => sendSound(RECORDING, samples));
}

// What the user does.

function ask(sending) {
  forgive();
  if (turn) stop();
  asked = performance.now();
  sending();
}

function offer() {
  const agent = agents[find("agent").value];
  find("system").value = agent.system;
  find("voice").replaceChildren(...agent.voices.map((name) => new Option(name, name)));
  find("voices").hidden = !agent.voices.length;
  const boxes = agent.tools.map(({ name, description }) => {
    const label = element("label", "inline");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: true });
    label.append(box, element("span", "", name));
    label.title = description;
    return label;
  });
  find("tools").replaceChildren(find("tools").firstElementChild, ...boxes);
  find("tools").hidden = !boxes.length;
}

function begin() {
  forgive();
  if (turn) stop();
  find("turns").replaceChildren(...[find("hint")].filter(Boolean));
  last = null;
  find("again").disabled = find("save").hidden = true;
  setState("thinking", "Getting ready");
  const tools = [...find("tools").querySelectorAll(":checked")].map((box) => box.value);
  const [agent, system, voice] = ["agent", "system", "voice"].map((id) => find(id).value);
  send({ type: "begin", agent: Number(agent), system, voice, tools });
}

function setState(state, words) {
  find("state").dataset.state = state;
  find("state").textContent = words;
}

/** Say that nothing is under way. */
function rest() {
  setState("ready", isListening() ? "Listening" : "Ready");
}

function complain(words) {
  find("fault").textContent = words;
  find("fault").hidden = false;
}

function forgive() {
  find("fault").hidden = true;
}

let isAtEnd = true;
find("turns").addEventListener("scroll", ({ target }) => {
  isAtEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
});
find("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = find("text").value.trim();
  if (!text) return;
  await player.open();
  ask(() => send({ type: "say", text }));
  find("text").value = "";
});
find("microphone").addEventListener("click", async () => {
  forgive();
  await player.open();
  await (isListening() ? switchOff() : switchOn());
});
find("stop").addEventListener("click", stop);
find("again").addEventListener("click", () => ask(() => send({ type: "regenerate" })));
find("clear").addEventListener("click", begin);
find("agent").addEventListener("change", () => {
  offer();
  begin();
});
find("choice").addEventListener("submit", (event) => {
  event.preventDefault();
  find("settings").open = false;
  begin();
});
find("file").addEventListener("change", ({ target }) => {
  if (target.files[0]) sendFile(target.files[0]);
  target.value = "";
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) sendFile(event.dataTransfer.files[0]);
});
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && turn) stop();
});

connect();
