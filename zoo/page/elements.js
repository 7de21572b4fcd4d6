// Elements made one by one: text is set as text and never read as HTML.

export function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function option(value, text) {
  return el("option", { value, textContent: text });
}

// A labelled range; `say` makes the text beside it of its value.
export function range(text, { min, max, step = 1, value, say, change }) {
  const slider = el("input", { type: "range", min, max, step });
  slider.value = value;
  const said = el("output", { textContent: say(Number(slider.value)) });
  function shown() {
    said.textContent = say(Number(slider.value));
    slider.setAttribute("aria-valuetext", said.textContent);
  }
  slider.addEventListener("input", () => {
    shown();
    change(Number(slider.value));
  });
  shown();
  const label = el("label", { className: "range" }, el("span", { textContent: text }),
    slider, said);
  return { label, slider, set(next) { slider.value = next; shown(); } };
}

export function select(text, options, value, change) {
  const made = el("select", {}, ...options.map(([key, name]) => option(key, name)));
  made.value = value;
  made.addEventListener("change", () => change(made.value));
  return { label: el("label", { className: "select" },
    el("span", { textContent: text }), made), select: made };
}

export function button(text, title, press) {
  return el("button", { type: "button", textContent: text, title, onclick: press });
}
