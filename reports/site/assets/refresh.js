// A page that is served hears of new results while a run goes on.
"use strict";

(() => {
  if (!location.protocol.startsWith("http")) return;
  const root = document.currentScript.src.replace(/site\/refresh\.js.*$/, "");
  let first = null;

  async function look() {
    let version;
    try {
      version = await (await fetch(`${root}version`)).text();
    } catch { // the server has ended
      return;
    }
    first ??= version;
    if (version === first) { setTimeout(look, 2000); return; }
    if (document.body.dataset.page === "waiting") { location.reload(); return; }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "There are new results: load them";
    button.addEventListener("click", () => location.reload());
    const message = document.createElement("p");
    message.setAttribute("role", "status");
    message.append(button);
    document.querySelector("main").prepend(message);
  }

  look();
})();
