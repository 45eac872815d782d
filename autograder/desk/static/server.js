// What the page began with, its words, and what it asks of the server.

export const begin = JSON.parse(document.getElementById("begin").textContent);
export const $ = (id) => document.getElementById(id);

export function say(name, values = {}) {
  return begin.words[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

export const number = (points) => String(Math.round(points * 100) / 100);

export function element(tag, content, properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...[content].flat());
  return made;
}

// By it the server knows which essay this page has on the screen, so that another reader's is sent elsewhere.
const reader = Math.random().toString(36).slice(2);
export const screen = { showing: "" };

function address(what, query) {
  const place = [begin.exercise, begin.grade_id, what].map(encodeURIComponent).join("/");
  return begin.api + place + "?" + new URLSearchParams([...query, ["reader", reader], ["showing", screen.showing]]);
}

async function read(response) {
  const answer = await response.json().catch(() => ({}));
  return { status: response.status, answer };
}

/** GET; `query` is a list of pairs. Throws if the server can't be reached or has no answer. */
export async function ask(what, query = []) {
  const { status, answer } = await read(await fetch(address(what, query)));
  if (status !== 200) { throw Object.assign(new Error(answer.problem || status), { status }); }
  return answer;
}

/** POST; returns the status and the answer. Throws if the server can't be reached. */
export async function send(what, body) {
  const cookie = document.cookie.match(/\b_xsrf=([^;]*)/);
  const headers = { "Content-Type": "application/json", "X-XSRFToken": cookie ? cookie[1] : "" };
  return read(await fetch(address(what, []), { method: "POST", headers, body: JSON.stringify(body) }));
}
