// The page of `zoo serve`: drop, choose, run, look.

import { bytes, get, post, remove, save, upload } from "./api.js";
import { Choices } from "./choices.js";
import { button, el } from "./elements.js";
import { Gallery } from "./gallery.js";
import { keyList } from "./keys.js";
import { Viewer } from "./viewer.js";

const PAUSE = 300; // milliseconds between two looks at jobs

const state = { inputs: new Map(), jobs: [], networks: [], limits: null, chosen: null,
  asking: false, shown: new Set() };
const main = document.querySelector("main");
const said = el("p", { className: "said" });
said.setAttribute("role", "status");
const chooser = el("input", { type: "file", multiple: true, id: "files" });
const drop = el("div", { className: "drop" },
  el("label", { htmlFor: "files", textContent: "Drop pictures or volumes here, or choose them:" }),
  chooser, el("p", { className: "soft",
    textContent: "Nothing leaves this machine; all is deleted when zoo serve ends." }));
const choices = new Choices(() => buttons());
const run = button("Run", "run the chosen networks on the chosen picture", () => start("run"));
const measure = button("Measure",
  "take all that was dropped as originals: make them small, enlarge them, and compare (zoo eval)",
  () => start("evaluation"));
run.className = "strong";
const gallery = new Gallery({ select: lookAt, cancel, save: saveResult, remove: forget });
gallery.reports = el("ul", { className: "jobs reports" });
const look = el("section", { hidden: true });
const viewer = new Viewer(look, (item) => bytes(item.url));
look.append(keyList());

main.append(said, drop,
  el("section", { className: "half" }, el("h2", { textContent: "Networks" }),
    el("div", { className: "wide" }, choices.table),
    el("div", { className: "actions" }, run, measure)),
  el("section", { className: "half" }, el("h2", { textContent: "This session" }),
    gallery.root, gallery.reports),
  look);

function tell(text, isBad = false) {
  said.textContent = text;
  said.classList.toggle("bad", isBad);
}

function tried(work) {
  return work.catch((error) => tell(error.message, true));
}

function buttons() {
  const any = choices.chosen.length > 0;
  run.disabled = !any || state.chosen === null;
  measure.disabled = !any || state.chosen === null;
  choices.update(state.networks, state.inputs.get(state.chosen)?.pixels ?? null);
}

// -- files ---------------------------------------------------------------------------

async function take(files) {
  for (const file of files) {
    if (file.size > state.limits.body) {
      tell(`${file.name} is too large: at most ${state.limits.body >> 20} MiB are taken`, true);
      continue;
    }
    tell(`reading ${file.name} ...`);
    try {
      const input = await upload(file);
      added(input);
      tell("");
      await select(input.id);
    } catch (error) {
      tell(error.message, true);
    }
  }
}

function added(input) {
  state.inputs.set(input.id, input);
  gallery.add(input);
}

async function select(id) {
  state.chosen = id;
  gallery.mark(id);
  buttons();
  await tried(show());
}

async function lookAt(id) {
  await select(id);
  look.scrollIntoView({ block: "start" });
}

async function show() {
  const id = state.chosen;
  const sheet = await get(`/api/inputs/${id}/sheet`);
  if (id !== state.chosen) return;
  look.hidden = false;
  await viewer.show(sheet);
}

async function forget(id) {
  await tried(remove(`/api/inputs/${id}`).then(async () => {
    state.inputs.delete(id);
    gallery.drop(id);
    if (state.chosen !== id) return;
    state.chosen = [...state.inputs.keys()].at(-1) ?? null;
    look.hidden = state.chosen === null;
    if (state.chosen !== null) await select(state.chosen);
  }));
  buttons();
  tried(refresh());
}

// -- jobs ----------------------------------------------------------------------------

async function start(kind) {
  // Of pictures and volumes those are measured that are like the chosen one.
  const like = state.inputs.get(state.chosen)?.kind;
  const inputs = kind === "run" ? [state.chosen]
    : [...state.inputs.values()].filter((one) => one.kind === like).map((one) => one.id);
  await tried(post("/api/jobs", { kind, inputs, networks: choices.chosen }).then(() => tell("")));
  await tried(refresh());
}

async function cancel(id) {
  await tried(post(`/api/jobs/${id}/cancel`, {}));
  await tried(refresh());
}

async function saveResult(id) {
  const job = state.jobs.find((one) => one.id === id);
  await tried(save(`/api/jobs/${id}/file`, job.output_name));
}

async function refresh() {
  if (state.asking) return;
  state.asking = true;
  try {
    const { jobs, networks } = await get("/api/jobs");
    Object.assign(state, { jobs, networks });
  } finally {
    state.asking = false;
  }
  gallery.update(state.jobs);
  buttons();
  const fresh = state.jobs.filter((job) => job.state === "done" && !state.shown.has(job.id));
  for (const job of fresh) state.shown.add(job.id);
  if (fresh.some((job) => job.kind === "run" && job.inputs[0] === state.chosen)) {
    await tried(show());
  }
  const active = state.jobs.some((job) => job.state === "waiting" || job.state === "running");
  const untimed = state.networks.some((network) => !network.is_timed);
  clearTimeout(state.timer);
  if (active || untimed) state.timer = setTimeout(() => tried(refresh()), PAUSE);
}

// -- begin ---------------------------------------------------------------------------

chooser.addEventListener("change", async () => {
  await take([...chooser.files]);
  chooser.value = "";
});
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, () => drop.classList.remove("over"));
}
document.addEventListener("drop", (event) => {
  event.preventDefault();
  take([...event.dataTransfer.files]);
});

async function begin() {
  const session = await get("/api/session");
  Object.assign(state, { networks: session.networks, limits: session.limits });
  choices.fill(session.networks);
  for (const input of session.inputs) added(input);
  for (const job of session.jobs) if (job.state === "done") state.shown.add(job.id);
  buttons();
  if (session.inputs.length) await select(session.inputs.at(-1).id);
  await refresh();
}

tried(begin());
