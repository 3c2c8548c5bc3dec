// The first page: an address such as index.html#run/task/sample leads to that sample.
"use strict";

(() => {
  const script = document.createElement("script");
  const root = document.currentScript.src.replace(/site\/overview\.js.*$/, "");
  window.evalkit = {
    pages(pages) {
      const follow = () => {
        const [, task, ...sample] = location.hash.slice(1).split("/").map(decodeURIComponent);
        if (!Object.hasOwn(pages, task ?? "")) return;
        const state = new URLSearchParams(sample.length ? { sample: sample.join("/") } : {});
        location.replace(`${root}${pages[task].split("/").map(encodeURIComponent).join("/")}#${state}`);
      };
      window.addEventListener("hashchange", follow);
      follow();
    },
  };
  script.src = `${root}data/pages.js`;
  document.head.append(script);
})();
