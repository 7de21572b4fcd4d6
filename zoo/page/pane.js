// One canvas that shows part of a stage: where it lies, how it is drawn, how it is
// moved by pointers. A stage has a size in units, which are the finest pixels in it.

export const STEPS = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 3, 1 / 2, 1, 2, 3, 4, 6, 8, 12, 16,
  24, 32, 48, 64];

const HANDLE = 22; // CSS pixels beside the divider that take hold of it
const STILL = 4; // CSS pixels that a pointer may move in a click
const NOTCH = 60; // of a wheel, for one step

export class Pane {
  // `host` is told what pointers do: zoom, pan, hover, click, split.
  constructor(stage, host) {
    [this.stage, this.host] = [stage, host];
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.pointers = new Map();
    this.wheeled = 0;
    this.hasDivider = false;
    const listen = (name, call) => this.canvas.addEventListener(name, call.bind(this));
    listen("wheel", this.wheel);
    listen("pointerdown", this.down);
    listen("pointermove", this.move);
    listen("pointerup", this.up);
    listen("pointercancel", this.up);
    listen("pointerleave", () => this.host.hover(this, null));
  }

  resize() {
    this.ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(this.canvas.clientWidth * this.ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * this.ratio));
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
  }

  // The largest step that shows the whole stage.
  fit() {
    const room = Math.min(this.canvas.width / this.stage.width,
      this.canvas.height / this.stage.height);
    return STEPS.findLast((step) => step <= room) ?? STEPS[0];
  }

  place(zoom) {
    this.zoom = zoom;
    this.left = Math.round(this.canvas.width / 2 - this.stage.x * zoom);
    this.top = Math.round(this.canvas.height / 2 - this.stage.y * zoom);
    Object.assign(this.canvas.dataset, { left: this.left, top: this.top, zoom });
  }

  // Units of the stage under a point of the canvas in device pixels.
  under(x, y) {
    return { x: (x - this.left) / this.zoom, y: (y - this.top) / this.zoom };
  }

  clear(color) {
    this.context.fillStyle = color;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  // Draw what lies between two columns of the canvas.
  draw(layer, from = 0, to = this.canvas.width) {
    const { context, stage, zoom } = this;
    const across = layer.width / stage.width, down = layer.height / stage.height;
    const begin = this.under(Math.max(0, from), 0);
    const end = this.under(to, this.canvas.height);
    const x = Math.max(0, Math.floor(begin.x * across));
    const y = Math.max(0, Math.floor(begin.y * down));
    const width = Math.min(layer.width, Math.ceil(end.x * across)) - x;
    const height = Math.min(layer.height, Math.ceil(end.y * down)) - y;
    if (width <= 0 || height <= 0) return;
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, this.canvas.height);
    context.clip();
    // Pixels stay squares where they are enlarged, and are averaged where they shrink.
    context.imageSmoothingEnabled = zoom / Math.max(across, down) < 1;
    context.imageSmoothingQuality = "high";
    context.drawImage(layer, x, y, width, height, this.left + (x / across) * zoom,
      this.top + (y / down) * zoom, (width / across) * zoom, (height / down) * zoom);
    context.restore();
  }

  line(x0, y0, x1, y1, color, width = 1) {
    const { context } = this;
    context.strokeStyle = color;
    context.lineWidth = width * this.ratio;
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
  }

  divider(x) {
    const middle = this.canvas.height / 2;
    this.line(x, 0, x, this.canvas.height, "#000", 3);
    this.line(x, 0, x, this.canvas.height, "#fff", 1);
    for (const [radius, color] of [[11, "#000"], [9, "#fff"]]) {
      this.context.fillStyle = color;
      this.context.beginPath();
      this.context.arc(x, middle, radius * this.ratio, 0, 7);
      this.context.fill();
    }
    for (const side of [-1, 1]) {
      const tip = x + side * 6 * this.ratio, back = x + side * 2.5 * this.ratio;
      this.line(tip, middle, back, middle - 4 * this.ratio, "#000", 1.5);
      this.line(tip, middle, back, middle + 4 * this.ratio, "#000", 1.5);
    }
  }

  // What lies at the left, right, top and bottom of the body.
  letters([left, right, top, bottom]) {
    const { width, height } = this.canvas;
    const size = 13 * this.ratio;
    Object.assign(this.context, { font: `600 ${size}px system-ui, sans-serif`,
      textAlign: "center", textBaseline: "middle", lineWidth: 3 * this.ratio });
    for (const [text, x, y] of [[left, size, height / 2], [right, width - size, height / 2],
      [top, width / 2, size], [bottom, width / 2, height - size]]) {
      this.context.strokeStyle = "#000";
      this.context.strokeText(text, x, y);
      this.context.fillStyle = "#fff";
      this.context.fillText(text, x, y);
    }
  }

  // A cross around a unit, open in its middle.
  cross(point) {
    const x = this.left + (Math.floor(point.x) + 0.5) * this.zoom;
    const y = this.top + (Math.floor(point.y) + 0.5) * this.zoom;
    const near = Math.max(5 * this.ratio, this.zoom / 2), far = near + 9 * this.ratio;
    for (const [color, width] of [["#000", 3], ["#fff", 1]]) {
      for (const side of [-1, 1]) {
        this.line(x + side * near, y, x + side * far, y, color, width);
        this.line(x, y + side * near, x, y + side * far, color, width);
      }
    }
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) * this.ratio,
      y: (event.clientY - box.top) * this.ratio };
  }

  wheel(event) {
    event.preventDefault();
    this.wheeled -= event.deltaMode === 1 ? event.deltaY * 20 : event.deltaY;
    const steps = Math.trunc(this.wheeled / NOTCH);
    if (steps) {
      this.wheeled = 0;
      this.host.zoomBy(Math.sign(steps), this, this.at(event));
    }
  }

  down(event) {
    const point = this.at(event);
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, point);
    if (this.pointers.size === 1) {
      this.start = { ...point };
      const split = this.host.splitAt(this);
      this.holds = this.hasDivider && Math.abs(point.x - split) < HANDLE * this.ratio;
      this.dragged = false;
    } else {
      [this.holds, this.dragged] = [false, true];
      this.pinch = { ...this.between(), zoom: this.zoom };
    }
  }

  // How far two fingers are apart, and the middle between them.
  between() {
    const [a, b] = [...this.pointers.values()];
    return { apart: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  }

  // What lay between the fingers stays there, at the step next to what they ask for.
  pinched() {
    const now = this.between(), old = this.pinch;
    const wanted = Math.log((old.zoom * now.apart) / Math.max(1, old.apart));
    const off = STEPS.map((step) => Math.abs(Math.log(step) - wanted));
    const steps = off.indexOf(Math.min(...off)) - STEPS.indexOf(this.zoom);
    this.host.pan(this, (old.x - now.x) / this.zoom, (old.y - now.y) / this.zoom);
    if (steps) this.host.zoomBy(steps, this, now);
    Object.assign(old, { x: now.x, y: now.y });
  }

  move(event) {
    const point = this.at(event), before = this.pointers.get(event.pointerId);
    if (!before) {
      this.host.hover(this, this.under(point.x, point.y));
      return;
    }
    this.pointers.set(event.pointerId, point);
    if (this.pointers.size > 1) {
      this.pinched();
      return;
    }
    const moved = Math.hypot(point.x - this.start.x, point.y - this.start.y);
    if (moved > STILL * this.ratio) this.dragged = true;
    if (this.holds) this.host.split(point.x / this.canvas.width);
    else if (this.dragged) {
      this.host.pan(this, (before.x - point.x) / this.zoom, (before.y - point.y) / this.zoom);
    }
    this.host.hover(this, this.under(point.x, point.y));
  }

  up(event) {
    const point = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (point && !this.dragged && !this.holds && event.type === "pointerup") {
      this.host.click(this, this.under(point.x, point.y));
    }
    this.holds = false;
  }
}
