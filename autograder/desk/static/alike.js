// Answers that are alike: who stands with whom, what differs, and one mark for those that are ticked.

import { $, ask, element, number, say, send } from "./server.js";

let groups = null, state = "alike_looking", shown = [];

/** Whose answers are like this one's; a word of words.py while that is not known. */
export function alikeOf(id) { return groups ? groups[id] || [] : state; }

ask("alike").then((found) => { groups = found; state = "alike_missing"; }, () => { state = "alike_failed"; })
  .then(() => document.dispatchEvent(new Event("alike")));

export async function openAlike(card, places) {
  $("alike-state").textContent = "";
  shown = await ask("beside", [["id", card.id], ...alikeOf(card.id).map((other) => ["other", other])]);
  $("alike-list").replaceChildren(...shown.map((one) => {
    one.box = element("input", [], { type: "checkbox", checked: one.waits });
    const text = element("div", [], { className: "differences" });
    text.innerHTML = one.html;
    const state = one.waits ? say("unread") : say("alike_read", { points: number(one.score ?? 0) });
    return element("li", [element("label", [one.box, ` ${places.get(one.id) + 1} · ${state}`]), text]);
  }));
  $("alike").showModal();
}

/** Give the ticked ones this mark; what can put theirs back, and the states of all. */
export async function giveAlike(mark) {
  const ticked = shown.filter((one) => one.box.checked);
  const several = ticked.map(({ id, digest, version }) => ({ id, digest, version }));
  const { answer } = await send("several", { mark, several });
  const taken = [];
  answer.done.forEach((now, at) => {
    const one = ticked[at];
    if (now.refused) { return; }
    taken.push({ id: one.id, digest: one.digest, version: now.version, back: one.back });
    one.version = now.version;
    one.box.checked = false;
    one.box.nextSibling.textContent = one.box.nextSibling.textContent.replace(/·.*/, "· " + say("alike_read", { points: number(now.score) }));
  });
  const missed = ticked.length - taken.length;
  $("alike-state").textContent = [say("alike_done", { count: taken.length }), missed ? say("alike_refused", { count: missed }) : ""].join(" ");
  return { taken, now: answer.states };
}
