// The list of networks: which are chosen, and how long they take for a picture.

import { el } from "./elements.js";

export function duration(seconds) {
  if (seconds < 1) return "< 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function count(number) {
  if (number >= 1e6) return `${(number / 1e6).toPrecision(3)} M`;
  return number >= 1e3 ? `${(number / 1e3).toPrecision(3)} k` : String(number);
}

export class Choices {
  constructor(changed) {
    this.boxes = new Map();
    this.times = new Map();
    this.changed = changed;
    this.body = el("tbody");
    const head = el("tr");
    for (const name of ["network", "scale", "weights", "quality", "time"]) {
      head.append(el("th", { textContent: name }));
    }
    this.table = el("table", { className: "networks" }, el("thead", {}, head), this.body);
  }

  fill(networks) {
    networks.forEach((network, index) => {
      const box = el("input", { type: "checkbox", value: network.name, checked: index === 0 });
      box.addEventListener("change", this.changed);
      const time = el("td");
      this.boxes.set(network.name, box);
      this.times.set(network.name, time);
      this.body.append(el("tr", {},
        el("td", {}, el("label", { className: "check" }, box, network.name)),
        el("td", { textContent: `×${network.scale}` }),
        el("td", { textContent: count(network.parameters) }),
        el("td", { className: "quality" }, network.quality,
          el("span", { className: "soft", textContent: network.pictures })), time));
    });
    this.update(networks, null);
  }

  // Times for a file of so many pixels; for a megapixel where there is none.
  update(networks, pixels) {
    for (const { name, seconds_per_pixel: each, is_timed: isTimed } of networks) {
      const text = each === null ? (isTimed ? "?" : "…") : duration(each * (pixels ?? 1e6));
      this.times.get(name).textContent = text + (pixels || each === null ? "" : " / MP");
    }
  }

  get chosen() {
    return [...this.boxes].filter(([, box]) => box.checked).map(([name]) => name);
  }
}
