// A page that opens from disk: its sheets, and the viewer that shows one of them.

import { embedded } from "./decode.js";
import { button, el, select } from "./elements.js";
import { keyList } from "./keys.js";
import { Viewer } from "./viewer.js";

const facts = JSON.parse(document.getElementById("facts").textContent);
const main = document.querySelector("main");
const viewer = new Viewer(main, (item) => embedded(item.block));
let current = 0;

function go(index) {
  current = (index + facts.sheets.length) % facts.sheets.length;
  chosen.select.value = current;
  viewer.show(facts.sheets[current]).catch((error) => {
    main.append(el("p", { className: "bad", textContent: `it cannot be shown: ${error}` }));
  });
}

const chosen = select("picture", facts.sheets.map((sheet, index) => [index, sheet.name]), 0,
  (value) => go(Number(value)));
if (facts.sheets.length > 1) {
  document.querySelector("header").append(el("div", { className: "chooser" },
    button("‹", "previous (p)", () => go(current - 1)), chosen.label,
    button("›", "next (n)", () => go(current + 1))));
  document.addEventListener("keydown", (event) => {
    if (event.target.matches?.("select, textarea, input[type=text]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "n") go(current + 1);
    if (event.key === "p") go(current - 1);
  });
}
main.append(keyList());
go(0);
