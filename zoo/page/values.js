// The table below a viewer: what there is, scores, and the values under the cursor.

import { el } from "./elements.js";
import { PLANES } from "./item.js";

const LETTERS = { 1: [""], 2: ["", "A"], 3: ["R", "G", "B"], 4: ["R", "G", "B", "A"] };

// The shortest text that is this number again; of 32 bits where those are stored.
function plain(value, isSingle) {
  if (!isSingle || !Number.isFinite(value)) return String(value);
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

export class Values {
  constructor(viewer) {
    this.viewer = viewer;
    const { items, sheet } = viewer;
    this.where = el("th", { textContent: "value" });
    const head = el("tr", {}, el("th", { textContent: "key" }), el("th", { textContent: "what" }));
    for (const name of sheet.metrics) head.append(el("th", { textContent: name.toUpperCase() }));
    head.append(this.where);
    const body = el("tbody");
    this.cells = items.map((item, index) => {
      const cell = el("td", { className: "value" });
      const name = el("button", { type: "button", className: "name", textContent: item.name,
        onclick: () => viewer.pick(index) });
      const what = el("td", { className: "what" }, name,
        el("span", { className: "soft", textContent: item.about }));
      const row = el("tr", {}, el("td", {}, index < 9 ? el("kbd", { textContent: index + 1 }) : ""), what);
      for (const metric of sheet.metrics) {
        const [score, how] = item.scores[metric] ?? ["", ""];
        row.append(el("td", { textContent: score },
          el("span", { className: "soft how", textContent: how })));
      }
      row.append(cell);
      body.append(row);
      return cell;
    });
    this.table = el("table", { className: "values" }, el("thead", {}, head), body);
    this.notes = sheet.notes.map((text) => el("p", { className: "soft", textContent: text }));
  }

  update() {
    const { viewer } = this;
    const { cursor } = viewer;
    const place = viewer.isVolume ? this.voxel() : cursor && this.pixel(cursor);
    this.where.textContent = place ? `value at ${place.text}` : "value";
    viewer.items.forEach((item, index) => {
      this.cells[index].textContent = place ? this.text(item, place.of(item)) : "";
    });
  }

  pixel(cursor) {
    const { stage } = cursor;
    return {
      text: `${Math.floor(cursor.x)}, ${Math.floor(cursor.y)}`,
      of: (item) => {
        const x = Math.floor((cursor.x * item.sides[2]) / stage.width);
        const y = Math.floor((cursor.y * item.sides[1]) / stage.height);
        const frame = item.index(0, this.viewer.fractions[0]);
        return (frame * item.sides[1] + y) * item.sides[2] + x;
      },
    };
  }

  // Under the cursor, or where the three planes meet.
  voxel() {
    const { cursor } = this.viewer;
    const fractions = [...this.viewer.fractions];
    if (cursor) {
      const { down, across } = PLANES[cursor.stage.name];
      fractions[across] = cursor.x / cursor.stage.width;
      fractions[down] = 1 - cursor.y / cursor.stage.height;
    }
    const index = (item) => [0, 1, 2].map((axis) => item.index(axis, fractions[axis]));
    return {
      text: `${index(this.viewer.items[0]).reverse().join(", ")} (R, A, S)`,
      of: (item) => {
        const [z, y, x] = index(item);
        return (z * item.sides[1] + y) * item.sides[2] + x;
      },
    };
  }

  text(item, place) {
    const isSingle = item.dtype === "float32";
    const start = place * item.channels;
    const stored = [...item.values.subarray(start, start + item.channels)];
    const words = stored.map((value, channel) =>
      `${LETTERS[item.channels][channel]} ${plain(value, isSingle)}`.trim());
    if (item.slope === 1 && item.intercept === 0) return words.join("  ");
    const meant = stored[0] * item.slope + item.intercept;
    return `${Number(meant.toPrecision(7))} (stored ${words[0]})`;
  }
}
