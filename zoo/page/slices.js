// Stacks of slices beside each other, one slider through all of them, level and window.

import { range } from "./elements.js";
import { decode, embedded } from "./decode.js";
import { shade } from "./shade.js";

function element(name, parent, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

async function build(figure) {
  const facts = JSON.parse(figure.querySelector("script").textContent);
  const row = document.createElement("div");
  row.className = "stacks";
  const stacks = [];
  for (const stack of facts.stacks) {
    const [count, height, width, channels] = stack.shape;
    const cell = element("div", row);
    const canvas = element("canvas", cell);
    canvas.width = width;
    canvas.height = height;
    canvas.style.aspectRatio = `${width * facts.aspect} / ${height}`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", stack.name);
    element("span", cell, stack.name);
    const bytes = embedded(stack.block);
    const values = await decode(bytes, stack.dtype, channels);
    stacks.push({ count, size: height * width * channels, width, channels, values,
      context: canvas.getContext("2d", { alpha: false }) });
  }
  const most = Math.max(...stacks.map((stack) => stack.count));
  const slider = range("slice", { min: 0, max: most - 1, value: facts.first,
    say: (value) => facts.labels[value] ?? `${value + 1} of ${most}`, change: show });
  // What is black and white, as radiologists say it: the middle and the width.
  const span = facts.high - facts.low;
  const gray = { level: facts.low + span / 2, window: span };
  const knob = (name, min, max) => range(name, { min, max, step: span / 200, value: gray[name],
    say: (value) => String(Number(value.toPrecision(4))),
    change: (value) => { gray[name] = value; show(); } }).label;

  function show() {
    const index = Number(slider.slider.value);
    const low = gray.level - gray.window / 2;
    for (const stack of stacks) {
      const own = Math.floor(((index + 0.5) * stack.count) / most);
      const part = stack.values.subarray(own * stack.size, (own + 1) * stack.size);
      const { canvas } = stack.context;
      const image = stack.context.createImageData(canvas.width, canvas.height);
      shade(image.data, part, stack.width, stack.channels, low, low + gray.window, 255);
      stack.context.putImageData(image, 0, 0);
    }
  }
  figure.prepend(row, slider.label, knob("level", facts.low, facts.high),
    knob("window", span / 50, 2 * span));
  show();
}

for (const figure of document.querySelectorAll("figure.slices")) build(figure);
