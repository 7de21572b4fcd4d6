// Asking `zoo serve`. The token stands behind # in the address that was opened, which no
// browser sends; it is kept for this tab, and goes with each request as a header.

const KEY = "zoo-token";

function token() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY) ?? "";
}

const known = token();

async function ask(path, options = {}) {
  const headers = { "x-zoo-token": known, ...options.headers };
  let reply;
  try {
    reply = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("zoo serve does not answer any more; start it again");
  }
  if (!reply.ok) {
    const said = await reply.json().catch(() => ({}));
    throw new Error(said.error ?? `zoo serve says ${reply.status}`);
  }
  return reply;
}

export async function get(path) {
  return (await ask(path)).json();
}

export async function bytes(path) {
  return new Uint8Array(await (await ask(path)).arrayBuffer());
}

export async function post(path, value) {
  return (await ask(path, { method: "POST", body: JSON.stringify(value) })).json();
}

export async function remove(path) {
  return (await ask(path, { method: "DELETE" })).json();
}

export async function upload(file) {
  const headers = { "x-zoo-name": encodeURIComponent(file.name.toWellFormed?.() ?? file.name) };
  return (await ask("/api/inputs", { method: "POST", body: file, headers })).json();
}

// Save what the server has under a name that it made of the file's.
export async function save(path, name) {
  const url = URL.createObjectURL(await (await ask(path)).blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
