// The controls above a viewer.

import { button, el, range, select } from "./elements.js";
import { MODES } from "./modes.js";

const GAINS = 6; // powers of two
const FINE = 1000; // positions of the sliders of window and level

let groups = 0;

export class Toolbar {
  constructor(viewer) {
    this.viewer = viewer;
    const { items } = viewer;
    const names = items.map((item, index) => [String(index), item.name]);
    const several = items.length > 1;
    this.modes = this.modeButtons();
    this.left = select("left", names, "0", (value) => viewer.change({ left: Number(value) }));
    this.right = select("right", names, "0", (value) => viewer.change({ right: Number(value) }));
    this.shown = select("show", names, "0", (value) => viewer.pick(Number(value)));
    this.method = select("smaller ones as", [["pixels", "pixels"], ["bicubic", "bicubic"]],
      viewer.method, (value) => viewer.change({ method: value }));
    this.method.label.title = "bicubic: Keys, a = -1/2, as MATLAB's imresize";
    this.gain = range("gain", { min: 0, max: GAINS, value: 2, say: (value) => `× ${2 ** value}`,
      change: (value) => viewer.change({ gain: 2 ** value }) });
    this.elements = [
      ...(several ? [this.modes, this.left.label, this.right.label, this.shown.label] : []),
      ...(items.some((item) => viewer.isSmaller(item)) ? [this.method.label] : []),
      this.zooming(), ...(several ? [this.gain.label] : []), this.windowing(),
    ];
  }

  modeButtons() {
    const name = `mode${(groups += 1)}`;
    const field = el("fieldset", { className: "modes" });
    field.append(el("legend", { textContent: "compare by" }));
    for (const [value, text] of MODES) {
      const radio = el("input", { type: "radio", name, value });
      radio.addEventListener("change", () => this.viewer.change({ mode: value }, true));
      field.append(el("label", {}, radio, el("span", { textContent: text })));
    }
    return field;
  }

  zooming() {
    const { viewer } = this;
    this.step = el("output", { className: "step" });
    const row = el("div", { className: "zoom", role: "group" },
      button("−", "smaller (-)", () => viewer.zoomBySteps(-1)), this.step,
      button("+", "larger (+)", () => viewer.zoomBySteps(1)),
      button("Fit", "the whole (0)", () => viewer.zoomTo(null)),
      button("1:1", "a pixel a pixel", () => viewer.zoomTo(1)));
    row.setAttribute("aria-label", "zoom");
    return row;
  }

  // Window and level, as radiologists call the range that is shown and its middle.
  windowing() {
    const { viewer } = this;
    const { low, high, least, most, unit } = viewer.sheet;
    const widest = most - least || 1;
    const say = (value) => String(Number((value * unit).toPrecision(4)));
    const read = () => {
      const width = Math.max(1e-6, (this.width.slider.value / FINE)) * widest;
      const middle = least + (this.level.slider.value / FINE) * widest;
      viewer.change({ low: middle - width / 2, high: middle + width / 2 });
    };
    this.width = range("window", { min: 0, max: FINE, say: (at) => say((at / FINE) * widest),
      value: Math.round((FINE * (high - low)) / widest), change: read });
    this.level = range("level", { min: 0, max: FINE,
      say: (at) => say(least + (at / FINE) * widest),
      value: Math.round((FINE * ((high + low) / 2 - least)) / widest), change: read });
    const reset = () => {
      this.width.set(Math.round((FINE * (high - low)) / widest));
      this.level.set(Math.round((FINE * ((high + low) / 2 - least)) / widest));
      viewer.change({ low, high });
    };
    const body = el("div", { className: "window" }, this.width.label, this.level.label,
      button("Reset", "the first window again", reset));
    if (viewer.isVolume) {
      const box = el("input", { type: "checkbox", checked: true });
      box.addEventListener("change", () => viewer.change({ hasLines: box.checked }));
      body.append(el("label", { className: "check" }, box, "lines of the other planes"));
    }
    const details = el("details", { open: viewer.isVolume },
      el("summary", { textContent: "window and level" }), body);
    return details;
  }

  update() {
    const { viewer } = this;
    for (const radio of this.modes.querySelectorAll("input")) {
      radio.checked = radio.value === viewer.mode;
    }
    this.left.select.value = viewer.left;
    this.right.select.value = viewer.right;
    this.shown.select.value = viewer.shown;
    this.method.select.value = viewer.method;
    this.gain.set(Math.log2(viewer.gain));
    const two = viewer.mode === "slider" || viewer.mode === "difference";
    this.left.label.hidden = this.right.label.hidden = !two;
    this.shown.label.hidden = viewer.mode !== "one";
    this.gain.label.hidden = viewer.mode !== "difference";
  }

  zoomed(zoom) {
    const text = zoom >= 1 ? `${zoom * 100} %` : `1/${Math.round(1 / zoom)}`;
    this.step.textContent = text;
    this.step.title = zoom >= 1
      ? `a pixel of the finest is ${zoom} x ${zoom} pixels of the screen, nearest neighbour`
      : "pixels are averaged";
  }
}
