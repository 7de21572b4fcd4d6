// Keys of a viewer; each has its line in the list that the page shows.

import { el } from "./elements.js";
import { MODES } from "./modes.js";

export const KEYS = [
  ["1 … 9", "show one of them"],
  ["x", "back to the one before, and again"],
  ["m", "the next way to compare"],
  ["b", "smaller ones as pixels or bicubic"],
  ["+ −", "zoom in and out about the cursor"],
  ["0", "the whole"],
  ["← → ↑ ↓", "on a picture: move it"],
  ["shift + arrows", "on a picture: move the cursor by a pixel, for its values"],
  ["[ ]", "gain of the difference"],
  ["n p", "next and previous picture of a folder"],
];

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PART = 8; // of a pane, by which arrows move

export function keyList() {
  const list = el("dl", { className: "keys" });
  for (const [key, text] of KEYS) {
    list.append(el("dt", {}, el("kbd", { textContent: key })), el("dd", { textContent: text }));
  }
  return el("details", {}, el("summary", { textContent: "keys" }), list);
}

export function onKey(viewer, event) {
  if (!viewer.items?.length || event.ctrlKey || event.metaKey || event.altKey) return;
  const { target } = event;
  const pane = viewer.panes.find((one) => one.canvas === target);
  if (pane && ARROWS[event.key]) {
    arrow(viewer, pane, ARROWS[event.key], event.shiftKey);
    event.preventDefault();
    return;
  }
  if (target.matches?.("input:not([type=range]):not([type=radio]):not([type=checkbox]), select, textarea")) {
    return;
  }
  if (act(viewer, event.key)) event.preventDefault();
}

function act(viewer, key) {
  if (/^[1-9]$/.test(key)) viewer.pick(Number(key) - 1);
  else if (key === "x") viewer.pick(viewer.last);
  else if (key === "m") nextMode(viewer);
  else if (key === "b") viewer.change({ method: viewer.method === "pixels" ? "bicubic" : "pixels" });
  else if (key === "+" || key === "=") viewer.zoomBySteps(1);
  else if (key === "-") viewer.zoomBySteps(-1);
  else if (key === "0") viewer.zoomTo(null);
  else if (key === "]") viewer.change({ gain: Math.min(64, viewer.gain * 2) });
  else if (key === "[") viewer.change({ gain: Math.max(1, viewer.gain / 2) });
  else return false;
  return true;
}

function nextMode(viewer) {
  if (viewer.items.length < 2) return;
  const names = MODES.map(([name]) => name);
  viewer.change({ mode: names[(names.indexOf(viewer.mode) + 1) % names.length] }, true);
}

function arrow(viewer, pane, [x, y], moves) {
  if (!moves) {
    const step = pane.canvas.width / PART / pane.zoom;
    viewer.pan(pane, x * step, y * step);
    return;
  }
  const { stage } = pane;
  const from = viewer.cursor?.stage === stage ? viewer.cursor : stage;
  const clip = (value, size) => Math.min(size - 0.5, Math.max(0.5, Math.floor(value) + 0.5));
  const point = { x: clip(from.x + x, stage.width), y: clip(from.y + y, stage.height) };
  viewer.hover(pane, point, true);
}
