// One picture or volume to look at: its values, planes of it, and what a canvas shows.

import { decode } from "./decode.js";
import { enlarged } from "./cubic.js";
import { shade } from "./shade.js";

const KEPT = 1 << 25; // pixels of painted planes

// How planes lie in a volume of S x A x R voxels, the last axis the fastest. Seen with
// anterior or superior at the top and the left side at the left.
export const PLANES = {
  axial: { through: 0, down: 1, across: 2, turned: true, edges: ["L", "R", "A", "P"] },
  coronal: { through: 1, down: 0, across: 2, turned: true, edges: ["L", "R", "S", "I"] },
  sagittal: { through: 2, down: 0, across: 1, turned: true, edges: ["P", "A", "S", "I"] },
  picture: { through: 0, down: 1, across: 2, turned: false, edges: null },
};

export class Item {
  // `load` gives the packed bytes.
  constructor(facts, load) {
    Object.assign(this, facts);
    [this.sides, this.channels] = [this.shape.slice(0, 3), this.shape[3]];
    this.load = load;
    this.painted = new Map();
  }

  async open() {
    if (!this.values) {
      this.values = await decode(await this.load(this), this.dtype, this.channels);
    }
  }

  extent(axis) {
    return this.sides[axis] * this.spacing[axis];
  }

  index(axis, fraction) {
    const count = this.sides[axis];
    return Math.min(count - 1, Math.max(0, Math.floor(fraction * count)));
  }

  // The stored values of a plane, seen the right way up.
  plane(name, index) {
    const way = PLANES[name];
    const width = this.sides[way.across], height = this.sides[way.down];
    const { channels } = this;
    if (name === "picture") {
      const size = width * height * channels; // of a frame
      return { values: this.values.subarray(index * size, (index + 1) * size), width, height,
        channels };
    }
    const strides = [this.sides[1] * this.sides[2], this.sides[2], 1];
    const values = new this.values.constructor(width * height);
    const [down, across] = [strides[way.down], strides[way.across]];
    const start = index * strides[way.through] + (height - 1) * down;
    for (let y = 0; y < height; y++) {
      for (let x = 0, from = start - y * down; x < width; x++, from += across) {
        values[y * width + x] = this.values[from];
      }
    }
    return { values, width, height, channels };
  }

  // A plane enlarged by bicubic, or as it is where `size` is null.
  sized(name, index, size) {
    const plane = this.plane(name, index);
    return size === null ? plane : enlarged(plane, ...size);
  }

  // A canvas of a plane; `low` and `high` are black and white in units of the page.
  canvas(name, index, size, low, high) {
    const key = [name, index, size, low, high].join();
    const known = this.painted.get(key);
    if (known) return known;
    const made = painted(this.sized(name, index, size), this.stored(low),
      this.stored(high), this.white);
    this.painted.set(key, made);
    this.forget();
    return made;
  }

  // Keep the latest planes, as many as there is room for.
  forget() {
    let pixels = 0;
    for (const [key, canvas] of [...this.painted].reverse()) {
      if (pixels && pixels + canvas.width * canvas.height > KEPT) this.painted.delete(key);
      else pixels += canvas.width * canvas.height;
    }
  }

  // From units of the page to stored values and back.
  stored(value) {
    return (value * this.unit - this.intercept) / this.slope;
  }

  value(stored) {
    return (stored * this.slope + this.intercept) / this.unit;
  }
}

export function painted(plane, low, high, white) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [plane.width, plane.height];
  const context = canvas.getContext("2d", { alpha: false });
  const image = context.createImageData(plane.width, plane.height);
  shade(image.data, plane.values, plane.width, plane.channels, low, high, white);
  context.putImageData(image, 0, 0);
  return canvas;
}

// |a - b| in units of the page, on the grid of the finer one; the other's pixels are
// repeated, or bicubic where `smooth`.
export function difference(first, second, name, fractions, smooth) {
  const axis = PLANES[name].through;
  const items = [first, second];
  let planes = items.map((item) => item.plane(name, item.index(axis, fractions[axis])));
  const width = Math.max(...planes.map((plane) => plane.width));
  const height = Math.max(...planes.map((plane) => plane.height));
  if (smooth) {
    planes = planes.map((plane) => (plane.width === width && plane.height === height
      ? plane : enlarged(plane, width, height)));
  }
  const channels = Math.max(...planes.map((plane) => (plane.channels > 2 ? 3 : 1)));
  const values = new Float32Array(width * height * channels);
  planes.forEach((plane, which) => {
    const item = items[which];
    const color = plane.channels > 2 ? 1 : 0; // gray counts as three equal channels
    for (let y = 0, o = 0; y < height; y++) {
      const row = Math.floor(((y + 0.5) * plane.height) / height) * plane.width;
      for (let x = 0; x < width; x++) {
        const column = Math.floor(((x + 0.5) * plane.width) / width);
        const place = (row + column) * plane.channels;
        for (let c = 0; c < channels; c++, o++) {
          const value = item.value(plane.values[place + c * color]);
          values[o] = which ? Math.abs(values[o] - value) : value;
        }
      }
    }
  });
  return { values, width, height, channels };
}
