// The viewer: things to compare at one place, in one of four ways, all panes together.

import { el, range } from "./elements.js";
import { Item, PLANES } from "./item.js";
import { paint } from "./paint.js";
import { Pane, STEPS } from "./pane.js";
import { Toolbar } from "./toolbar.js";
import { Values } from "./values.js";
import { onKey } from "./keys.js";

export class Viewer {
  // `load` gives the packed bytes of an item.
  constructor(parent, load) {
    this.load = load;
    this.root = el("div", { className: "viewer" });
    this.bar = el("div", { className: "toolbar", role: "toolbar" });
    this.bar.setAttribute("aria-label", "How it is shown");
    this.stages = el("div", { className: "stages" });
    this.below = el("div", { className: "wide" });
    this.divider = range("divider", { min: 0, max: 1000, value: 500,
      say: (value) => `${Math.round(value / 10)} %`, change: (value) => this.split(value / 1000) });
    this.divider.label.hidden = true;
    this.root.append(this.bar, this.stages, this.divider.label, this.below);
    parent.append(this.root);
    [this.items, this.panes, this.parts] = [[], [], []];
    this.observer = new ResizeObserver(() => this.fitAgain());
    this.observer.observe(this.stages);
    document.addEventListener("keydown", (event) => onKey(this, event));
  }

  async show(sheet) {
    [this.items, this.panes, this.parts] = [[], [], []];
    this.stages.replaceChildren(el("p", { className: "soft", textContent: "unpacking ..." }));
    const items = sheet.items.map((facts) => new Item(facts, this.load));
    for (const item of items) await item.open();
    this.sheet = sheet;
    this.items = items;
    const result = Math.max(0, items.findIndex((item) => item.role === "result"));
    const before = items.findIndex((item, index) => index !== result);
    Object.assign(this, {
      mode: items.length < 2 ? "one" : "slider", left: Math.max(0, before), right: result,
      shown: result, last: Math.max(0, before), method: "pixels", gain: 4,
      low: sheet.low, high: sheet.high, cursor: null, hasLines: true,
      fractions: [0.5, 0.5, 0.5], zoom: null, isVolume: sheet.kind === "volume",
    });
    this.hasFrames = !this.isVolume && items.some((item) => item.sides[0] > 1);
    if (this.hasFrames) this.fractions[0] = 0; // the first
    this.split(0.5);
    this.names = this.isVolume ? ["axial", "coronal", "sagittal"] : ["picture"];
    this.toolbar = new Toolbar(this);
    this.values = new Values(this);
    this.bar.replaceChildren(...this.toolbar.elements);
    this.below.replaceChildren(this.values.table, ...this.values.notes);
    this.measure();
    this.build();
  }

  // Sizes of the stages in units: the finest pixels, or voxels, of all items.
  measure() {
    const whole = (size) => (Math.abs(size - Math.round(size)) < 1e-3 ? Math.round(size) : size);
    this.sizes = this.names.map((name) => {
      const { down, across } = PLANES[name];
      if (!this.isVolume) {
        return { width: Math.max(...this.items.map((item) => item.sides[2])),
          height: Math.max(...this.items.map((item) => item.sides[1])) };
      }
      const finest = Math.min(...this.items.flatMap((item) =>
        [item.spacing[down], item.spacing[across]]));
      const far = (axis) => Math.max(...this.items.map((item) => item.extent(axis)));
      return { width: whole(far(across) / finest), height: whole(far(down) / finest) };
    });
  }

  isSmaller(item) {
    // Of pictures, however many frames they have.
    const size = ({ sides }) => (this.isVolume ? sides[0] : 1) * sides[1] * sides[2];
    return size(item) < Math.max(...this.items.map(size));
  }

  // Elements for the mode: stages, each with its panes and, of volumes, its slider.
  build() {
    this.toolbar.update();
    this.panes = [];
    const old = this.parts;
    this.parts = this.names.map((name, index) => {
      const { width, height } = this.sizes[index];
      const stage = { name, width, height, x: old[index]?.x ?? width / 2,
        y: old[index]?.y ?? height / 2 };
      if (old[index]?.width !== width) Object.assign(stage, { x: width / 2, y: height / 2 });
      const shown = this.mode === "grid" ? this.items : [null];
      stage.panes = shown.map((item) => this.pane(stage, item));
      const section = el("section", { className: "stage" });
      const row = el("div", { className: "panes" });
      row.append(...stage.panes.map((pane) => pane.frame));
      section.append(row);
      if (this.isVolume || this.hasFrames) section.append(this.sliceSlider(stage));
      stage.section = section;
      return stage;
    });
    this.stages.className = `stages ${this.isVolume ? "volume" : "picture"} ${this.mode}`;
    this.stages.replaceChildren(...this.parts.map((stage) => stage.section));
    this.divider.label.hidden = this.mode !== "slider";
    this.fitAgain();
  }

  pane(stage, item) {
    const pane = new Pane(stage, this);
    pane.item = item;
    pane.hasDivider = this.mode === "slider";
    const [first, second] = [el("span", { className: "tag" }), el("span", { className: "tag right" })];
    pane.tags = [first, second];
    pane.frame = el("div", { className: "pane" }, pane.canvas, first, second);
    this.panes.push(pane);
    return pane;
  }

  sliceSlider(stage) {
    const axis = PLANES[stage.name].through;
    const count = Math.max(...this.items.map((item) => item.sides[axis]));
    stage.slider = range(this.isVolume ? stage.name : "frame", {
      min: 0, max: count - 1, value: Math.floor(this.fractions[axis] * count),
      say: (value) => `${value + 1} of ${count}`,
      change: (value) => {
        this.fractions[axis] = (value + 0.5) / count;
        this.draw();
      },
    });
    stage.count = count;
    return stage.slider.label;
  }

  fitAgain() {
    if (!this.panes.length) return;
    for (const pane of this.panes) pane.resize();
    this.draw();
  }

  get step() {
    return this.zoom ?? Math.min(...this.panes.map((pane) => pane.fit()));
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (!this.panes.length) return;
      paint(this);
      this.toolbar.zoomed(this.step);
      this.values.update();
    });
  }

  // What panes tell.

  zoomBy(steps, pane, point) {
    const current = STEPS.indexOf(this.step);
    const next = STEPS[Math.min(STEPS.length - 1, Math.max(0, current + steps))];
    const { x, y } = pane.under(point.x, point.y);
    for (const stage of this.parts) {
      if (stage !== pane.stage) continue;
      stage.x = x + (pane.canvas.width / 2 - point.x) / next;
      stage.y = y + (pane.canvas.height / 2 - point.y) / next;
      this.keepInside(stage);
    }
    this.zoom = next;
    this.placed();
  }

  // Panes know at once where they are: fingers move more often than is drawn.
  placed() {
    for (const pane of this.panes) pane.place(this.step);
    this.draw();
  }

  zoomTo(step) {
    this.zoom = step;
    if (step === null) {
      for (const stage of this.parts) [stage.x, stage.y] = [stage.width / 2, stage.height / 2];
    }
    this.draw();
  }

  // By a button or a key: about the cursor where there is one, else the middle.
  zoomBySteps(steps) {
    const pane = this.cursor?.pane ?? this.panes[0];
    const point = this.cursor
      ? { x: pane.left + this.cursor.x * pane.zoom, y: pane.top + this.cursor.y * pane.zoom }
      : { x: pane.canvas.width / 2, y: pane.canvas.height / 2 };
    this.zoomBy(steps, pane, point);
  }

  keepInside(stage) {
    stage.x = Math.min(stage.width, Math.max(0, stage.x));
    stage.y = Math.min(stage.height, Math.max(0, stage.y));
  }

  pan(pane, x, y) {
    this.zoom ??= this.step;
    pane.stage.x += x;
    pane.stage.y += y;
    this.keepInside(pane.stage);
    this.placed();
  }

  hover(pane, point, byKey = false) {
    if (point === null && this.cursor?.pane !== pane) return;
    const { stage } = pane;
    const inside = point && point.x >= 0 && point.y >= 0 && point.x < stage.width
      && point.y < stage.height;
    this.cursor = inside ? { ...point, pane, stage, byKey } : null;
    this.draw();
  }

  click(pane, point) {
    if (!this.isVolume) return;
    const { down, across } = PLANES[pane.stage.name];
    const inside = (value) => Math.min(0.999999, Math.max(0, value));
    this.fractions[across] = inside(point.x / pane.stage.width);
    this.fractions[down] = inside(1 - point.y / pane.stage.height);
    this.sliced();
  }

  // The sliders follow the planes.
  sliced() {
    for (const stage of this.parts) {
      stage.slider.set(Math.floor(this.fractions[PLANES[stage.name].through] * stage.count));
    }
    this.draw();
  }

  splitAt(pane) {
    return this.half * pane.canvas.width;
  }

  split(half) {
    this.half = Math.min(1, Math.max(0, half));
    this.divider.set(Math.round(1000 * this.half));
    this.draw();
  }

  // What the toolbar and keys tell.

  change(changes, anew = false) {
    Object.assign(this, changes);
    if (anew) this.build();
    else {
      this.toolbar.update();
      this.draw();
    }
  }

  pick(index) {
    if (index < 0 || index >= this.items.length) return;
    if (index !== this.shown) this.last = this.shown;
    this.change({ shown: index, mode: "one" }, this.mode !== "one");
  }
}
