// Stacks of slices beside each other, and one slider through all of them.

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
  const label = document.createElement("label");
  element("span", label, "slice");
  const slider = element("input", label);
  const said = element("output", label);
  Object.assign(slider, { type: "range", min: 0, max: most - 1, step: 1 });
  slider.value = facts.first;

  function show() {
    const index = Number(slider.value);
    for (const stack of stacks) {
      const own = Math.floor(((index + 0.5) * stack.count) / most);
      const part = stack.values.subarray(own * stack.size, (own + 1) * stack.size);
      const { canvas } = stack.context;
      const image = stack.context.createImageData(canvas.width, canvas.height);
      shade(image.data, part, stack.width, stack.channels, facts.low, facts.high, 255);
      stack.context.putImageData(image, 0, 0);
    }
    said.textContent = facts.labels[index] ?? `${index + 1} of ${most}`;
    slider.setAttribute("aria-valuetext", said.textContent);
  }
  slider.addEventListener("input", show);
  figure.prepend(row, label);
  show();
}

for (const figure of document.querySelectorAll("figure.slices")) build(figure);
