// What was dropped in this session, and what became of it.

import { button, el } from "./elements.js";
import { duration } from "./choices.js";

const WORDS = { waiting: "waiting", running: "running", done: "done", failed: "failed",
  cancelled: "cancelled" };

export class Gallery {
  // `host` is told: select, cancel, save, remove.
  constructor(host) {
    this.host = host;
    this.root = el("ul", { className: "gallery" });
    this.root.setAttribute("aria-label", "pictures of this session");
    this.cards = new Map();
    this.rows = new Map();
  }

  add(input) {
    const picture = el("img", { src: input.thumbnail, alt: "" });
    const name = button(input.name, "show it", () => this.host.select(input.id));
    name.className = "name";
    const jobs = el("ul", { className: "jobs" });
    const card = el("li", { className: "card" }, picture,
      el("div", { className: "what" }, name,
        el("span", { className: "soft", textContent: input.about }), jobs),
      button("Remove", `remove ${input.name}`, () => this.host.remove(input.id)));
    this.root.append(card);
    this.cards.set(input.id, { card, jobs, name });
  }

  drop(id) {
    this.cards.get(id)?.card.remove();
    this.cards.delete(id);
  }

  mark(id) {
    for (const [key, { card, name }] of this.cards) {
      card.classList.toggle("chosen", key === id);
      name.setAttribute("aria-current", key === id ? "true" : "false");
    }
  }

  // Bring the rows of all jobs up to date.
  update(jobs) {
    for (const job of jobs) {
      let row = this.rows.get(job.id);
      if (!row) {
        row = this.row(job);
        this.rows.set(job.id, row);
        const place = job.kind === "run" ? this.cards.get(job.inputs[0])?.jobs : this.reports;
        place?.append(row.root);
      }
      this.say(row, job);
    }
    const alive = new Set(jobs.map((job) => job.id));
    for (const [id, row] of this.rows) {
      if (alive.has(id)) continue;
      row.root.remove();
      this.rows.delete(id);
    }
  }

  row(job) {
    const bar = el("progress", { max: 1 });
    bar.setAttribute("aria-label", `progress of ${job.networks.join(", ")}`);
    const said = el("span", { className: "state" });
    const cancel = button("Cancel", "end it", () => this.host.cancel(job.id));
    const save = button(job.kind === "run" ? "Save" : "Save report", "save the result",
      () => this.host.save(job.id));
    const more = el("div", { className: "more" });
    const what = job.kind === "run" ? job.networks[0]
      : `${job.networks.join(", ")} on ${job.inputs.length}`;
    const root = el("li", {}, el("span", { className: "who", textContent: what }), bar, said,
      cancel, save, more);
    return { root, bar, said, cancel, save, more };
  }

  say(row, job) {
    const active = job.state === "waiting" || job.state === "running";
    row.bar.hidden = !active;
    if (job.state === "running") row.bar.value = job.part;
    row.cancel.hidden = !active;
    row.save.hidden = job.state !== "done";
    row.save.title = `save ${job.output_name}`;
    let text = WORDS[job.state];
    if (job.state === "running" && job.part > 0.02) {
      text = `${Math.floor(job.part * 100)} %, ${duration(job.seconds / job.part - job.seconds)} left`;
    } else if (job.state === "done") text = `done in ${duration(job.seconds)}`;
    if (row.said.textContent !== text) row.said.textContent = text;
    row.said.classList.toggle("bad", job.state === "failed");
    if (row.state !== job.state) {
      row.state = job.state;
      row.more.replaceChildren(...this.details(job));
    }
  }

  details(job) {
    const lines = [job.error, ...(job.kind === "run" ? [] : job.notes)].filter(Boolean);
    const made = lines.map((text) => el("p", { className: job.error ? "bad" : "soft",
      textContent: text }));
    if (job.table.length) made.unshift(el("div", { className: "wide" }, scores(job.table)));
    return made;
  }
}

function scores([head, ...rows]) {
  const line = (cells, kind) =>
    el("tr", {}, ...cells.map((text) => el(kind, { textContent: text })));
  return el("table", {}, el("thead", {}, line(head, "th")),
    el("tbody", {}, ...rows.map((cells) => line(cells, "td"))));
}
