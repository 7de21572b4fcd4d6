// What the panes of a viewer show: one, two split by the divider, or a difference.

import { PLANES, difference, painted } from "./item.js";

const BACK = "#7a7f86"; // around a picture: neither black nor white
const LINE = "#4fb3ff99";

export function paint(viewer) {
  const zoom = viewer.step;
  for (const stage of viewer.parts) {
    for (const pane of stage.panes) {
      pane.place(zoom);
      pane.clear(BACK);
      fill(viewer, pane, stage);
      if (viewer.isVolume && viewer.hasLines) lines(viewer, pane, stage);
      const { cursor } = viewer;
      if (cursor?.stage === stage && (cursor.pane !== pane || cursor.byKey)) pane.cross(cursor);
    }
  }
}

function fill(viewer, pane, stage) {
  const [left, right] = [viewer.items[viewer.left], viewer.items[viewer.right]];
  if (viewer.mode === "slider") {
    const x = Math.round(viewer.half * pane.canvas.width);
    pane.draw(canvasOf(viewer, left, stage), 0, x);
    pane.draw(canvasOf(viewer, right, stage), x);
    pane.divider(x);
    tag(pane, title(viewer, left), title(viewer, right));
  } else if (viewer.mode === "difference") {
    pane.draw(differing(viewer, left, right, stage));
    tag(pane, `|${title(viewer, left)} − ${title(viewer, right)}| × ${viewer.gain}`);
  } else {
    const item = pane.item ?? viewer.items[viewer.shown];
    pane.draw(canvasOf(viewer, item, stage));
    tag(pane, title(viewer, item));
  }
}

function canvasOf(viewer, item, stage) {
  const axis = PLANES[stage.name].through;
  const size = viewer.method === "bicubic" && viewer.isSmaller(item)
    ? [Math.round(stage.width), Math.round(stage.height)] : null;
  return item.canvas(stage.name, item.index(axis, viewer.fractions[axis]), size,
    viewer.low, viewer.high);
}

// Kept until something that it is made of changes: the gain alone changes often.
function differing(viewer, left, right, stage) {
  const smooth = viewer.method === "bicubic";
  const place = viewer.fractions[PLANES[stage.name].through];
  const key = [viewer.left, viewer.right, smooth, place].join();
  if (stage.key !== key) {
    stage.plane = difference(left, right, stage.name, viewer.fractions, smooth);
    Object.assign(stage, { key, shade: "" });
  }
  const most = (viewer.high - viewer.low) / viewer.gain;
  if (stage.shade !== most) {
    stage.made = painted(stage.plane, 0, most, 1);
    stage.shade = most;
  }
  return stage.made;
}

function title(viewer, item) {
  return viewer.isSmaller(item) ? `${item.name}, ${viewer.method}` : item.name;
}

function tag(pane, first, second = "") {
  [first, second].forEach((text, index) => {
    pane.tags[index].textContent = text;
    pane.tags[index].hidden = !text;
  });
  pane.canvas.setAttribute("aria-label", second ? `${first}; ${second}` : first);
}

// Where the other planes cut this one, and the letters of its sides.
function lines(viewer, pane, stage) {
  const { down, across, edges } = PLANES[stage.name];
  const x = pane.left + viewer.fractions[across] * stage.width * pane.zoom;
  const y = pane.top + (1 - viewer.fractions[down]) * stage.height * pane.zoom;
  pane.line(x, 0, x, pane.canvas.height, LINE);
  pane.line(0, y, pane.canvas.width, y, LINE);
  pane.letters(edges);
}
