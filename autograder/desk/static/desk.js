// The essay desk: one essay after another, marked by keys, clicks or taps, and saved at once.

import { alikeOf, giveAlike, openAlike } from "./alike.js";
import { openChange } from "./change.js";
import { Saver } from "./saving.js";
import { openSearch } from "./search.js";
import { $, ask, begin, element, number, say, screen, send } from "./server.js";

const points = begin.key_points;
const places = new Map(begin.order.map((id, place) => [id, place]));
const cards = new Map(); // by id: what the server said of an essay, or the promise of it
const past = []; // the essays that this reader came from
const undone = []; // what can be undone, the last thing last
let states = begin.states, names = {}, card = null, place = null; // place: of the key point in hand; null: the whole

const saver = new Saver({
  onState: (state) => { if (!saver.isQuiet || state !== "saved" || card) { tell(state); } },
  onSaved: (saved, now) => { hear(now); if (saved === card) { showMark(); } showProgress(); },
  onRefused: (saved, answer) => refused(saved, answer),
  onProblem: (why) => { tell("refused", { why }); reload(); },
});

function hear(now) { // of another length: somebody's essay has come or gone since this page was opened
  if (now.length === begin.order.length) { states = now; } else if (saver.isQuiet) { location.reload(); }
}

// Essays: fetched, shown, left

function load(id) {
  if (!cards.has(id)) {
    const promise = ask("card", [["id", id]]).then((answer) => {
      hear(answer.states);
      cards.set(id, answer.card);
      return answer.card;
    });
    promise.catch(() => cards.delete(id));
    cards.set(id, promise);
  }
  return Promise.resolve(cards.get(id));
}

async function show(id, { isBack = false } = {}) {
  if (!id) { return; }
  if (card && !isBack && card.id !== id) { past.push(card.id); }
  screen.showing = id;
  let found;
  try { found = await load(id); } catch (error) { tell("refused", { why: error.message }); return; }
  if (screen.showing !== id) { return; } // somebody was quicker
  card = found;
  place = null;
  history.replaceState(null, "", "#" + (places.get(id) + 1));
  const text = $("text");
  text.innerHTML = card.digest ? card.is_empty ? "" : card.html : "";
  if (card.is_empty) { text.append(element("p", say(card.digest ? "empty" : "not_there"), { className: "quiet" })); }
  text.lang = card.language === "zh" ? "zh-CN" : "en";
  $("notebook").href = begin.formgrader + id + "/";
  $("number").textContent = say("essay_of", { number: places.get(id) + 1, all: begin.order.length });
  $("notice").hidden = true;
  showMark();
  showProgress();
  showAlike();
  tell(saver.isQuiet ? (card.waits ? "unread" : "saved") : "saving");
  window.scrollTo(0, 0);
  text.focus({ preventScroll: true });
  document.body.dataset.shown = id;
  const following = nextUnread(id);
  if (following) { load(following).catch(() => {}); }
}

function reload() {
  cards.delete(card.id);
  return show(card.id, { isBack: true });
}

function nextUnread(from) {
  const start = from ? places.get(from) + 1 : 0, all = begin.order.length;
  for (const wanted of ["w", "o"]) { // first those that no other reader has on the screen
    for (let step = 0; step < all; step++) {
      const at = (start + step) % all;
      if (states[at] === wanted && begin.order[at] !== from && !marked(begin.order[at])) { return begin.order[at]; }
    }
  }
  return null;
}

function marked(id) { // here, and on its way
  const known = cards.get(id);
  return Boolean(known && known.isTouched);
}

function next() {
  const id = nextUnread(card && card.id);
  if (id) { show(id); } else { tell("all_read"); }
}

function back() {
  show(past.pop() || begin.order[Math.max(0, places.get(card.id) - 1)], { isBack: true });
}

// Marks: shown, changed, undone

const total = (mark) => Math.min(begin.max_points, mark.given.reduce((sum, share, at) => sum + share * points[at].points, 0));
const scoreOf = (mark) => mark.points ?? (mark.given ? total(mark) : null);

function showMark() {
  const mark = card.mark;
  document.querySelectorAll(".point").forEach((button, at) => {
    const share = mark.given ? mark.given[at] : 0;
    button.setAttribute("aria-pressed", share === 0 ? "false" : share === 1 ? "true" : "mixed");
    button.classList.toggle("in-hand", at === place);
    button.querySelector(".share").textContent = `${number(share * points[at].points)}/${number(points[at].points)}`;
  });
  fill($("points"), scoreOf(mark) ?? "");
  document.querySelectorAll(".remark").forEach((field, at) => fill(field, mark.remarks[at] || ""));
  fill($("words"), mark.words);
  $("typed").textContent = mark.points != null && mark.given ? say("typed", { sum: number(total(mark)) }) : "";
  $("again").hidden = !card.again;
  showUsed();
}

function fill(field, value) { // a field that somebody types in has what they typed
  if (field !== document.activeElement) { field.value = value; }
}

function showProgress() {
  const waiting = states.replaceAll("r", "").length;
  $("still").textContent = say("still", { count: waiting });
  $("who").textContent = names[card.id] || "";
}

function showUsed() {
  const found = place === null ? begin.used.whole : begin.used.points[place];
  $("used-title").textContent = place === null ? say("used_whole") : say("used", { name: nameOf(place) });
  const chips = found.slice(0, 9).map(([words], at) =>
    element("button", [element("kbd", "⇧" + (at + 1)), " " + words], { type: "button", onclick: () => reuse(at) }));
  $("used-list").replaceChildren(...(chips.length ? chips : [element("p", say("used_none"), { className: "quiet" })]));
}

function nameOf(at) { return points[at].names[begin.language] || Object.values(points[at].names)[0]; }

/** Change the mark, and save it. step: another word begins another step, which `undo` takes back by itself. */
function change(changed, step) {
  if (!step || card.step !== step) { undone.push({ card, mark: card.mark, back: saver.lines.has(card.id) ? null : card.back }); }
  card.step = step;
  card.mark = { ...card.mark, ...changed };
  card.isTouched = scoreOf(card.mark) !== null;
  saver.save(card, { mark: card.mark });
  showMark();
}

const given = () => (card.mark.given ? [...card.mark.given] : points.map(() => 0));

function give(at) {
  if (!points[at]) { return; }
  const shares = given();
  shares[at] = shares[at] === 1 ? 0.5 : shares[at] > 0 ? 0 : 1;
  place = at;
  change({ given: shares, points: null });
}

function giveNone() { change(points.length ? { given: points.map(() => 0), points: null } : { points: 0 }); }

function type(value) { change({ points: value === "" ? null : Number(value) }, "points"); }

function remark(at, words, step) {
  const remarks = points.map((_, each) => (each === at ? words : card.mark.remarks[each] || ""));
  change({ given: given(), remarks }, step);
}

function reuse(at) {
  const found = (place === null ? begin.used.whole : begin.used.points[place])[at];
  if (!found) { return; }
  const before = place === null ? card.mark.words : card.mark.remarks[place] || "";
  if (before.includes(found[0])) { return; }
  const words = [before, found[0]].filter(Boolean).join(place === null ? "\n" : " ");
  if (place === null) { change({ words }); } else { remark(place, words); }
}

function remember(list, words) { // a comment that was just written is one key away, too
  const said = words.trim();
  const known = list.find((each) => each[0] === said);
  if (known) { known[1] += 1; } else if (said) { list.push([said, 1]); }
  list.sort((one, other) => other[1] - one[1]);
}

async function undo() {
  const last = undone.pop();
  if (!last) { tell("nothing_to_undo"); return; }
  if (last.several) { await send("several", { several: last.several }); cards.clear(); hear((await ask("card", [["id", card.id]])).states); }
  if (last.card) {
    last.card.mark = last.mark;
    last.card.step = null;
    last.card.isTouched = scoreOf(last.mark) !== null && !(last.back && last.back.waits);
    saver.save(last.card, last.back ? { back: last.back } : { mark: last.mark });
    cards.set(last.card.id, last.card);
    if (last.card !== card) { await show(last.card.id); } else { showMark(); }
  } else {
    await show(card.id, { isBack: true });
  }
  tell("undone");
}

// What the server did not take

function refused(saved, answer) {
  const [text, ...choices] = answer.refused === "text"
    ? [say("text_changed"), ["show_text", () => { cards.delete(saved.id); show(saved.id, { isBack: true }); }]]
    : [say("conflict", { theirs: inWords(answer.now.score), mine: inWords(scoreOf(saved.mark)) }),
      ["take_theirs", () => { take(saved, answer.now); }],
      ["keep_mine", () => { const { version, back } = answer.now; Object.assign(saved, { version, back }); saver.save(saved, { mark: saved.mark }); }]];
  $("notice").querySelector("p").textContent = text;
  $("notice").querySelector(".choices").replaceChildren(...choices.map(([name, act]) =>
    element("button", say(name), { type: "button", onclick: () => { $("notice").hidden = true; act(); } })));
  $("notice").hidden = false;
  tell("unread");
}

function take(saved, now) {
  Object.assign(saved, now, { isTouched: !now.waits });
  if (saved === card) { showMark(); }
  tell("saved");
}

const inWords = (score) => (score == null ? say("no_points") : number(score));

function tell(name, values) {
  $("state").textContent = say(name, values);
  $("state").dataset.state = name;
}

// Answers that are alike

function showAlike() {
  if (!card) { return; }
  const others = alikeOf(card.id), button = $("alike-open");
  button.disabled = !Array.isArray(others) || !others.length;
  button.textContent = Array.isArray(others)
    ? others.length ? say("alike", { count: others.length }) : say("alike_none")
    : say(others);
}

function alike() {
  if ($("alike-open").disabled) { return; }
  openAlike(card, places);
}

async function giveSame() {
  if (scoreOf(card.mark) === null) { $("alike-state").textContent = say("alike_first"); return; }
  const { taken, now } = await giveAlike(card.mark);
  if (taken.length) { undone.push({ several: taken }); }
  hear(now);
  taken.forEach(({ id }) => cards.delete(id));
  showProgress();
}

// Keys, clicks and taps

async function toggleNames() {
  const shown = $("names").getAttribute("aria-pressed") !== "true";
  names = shown ? await ask("names") : {};
  $("names").setAttribute("aria-pressed", shown);
  $("names").firstChild.textContent = say(shown ? "hide_names" : "names") + " ";
  showProgress();
}

function fold() {
  const all = [...document.querySelectorAll(".earns")], open = !all.every((each) => each.open);
  all.forEach((each) => { each.open = open; });
  localStorage.setItem("autograder-desk-folded", open ? "" : "yes");
}

function comment(isWhole) {
  const field = isWhole || place === null ? $("words") : document.querySelectorAll(".remark")[place];
  field.focus();
}

const keys = {
  n: next, b: back, u: undo, h: toggleNames, a: alike, m: fold, 0: giveNone,
  c: () => comment(false), C: () => comment(true),
  "/": () => openSearch(show, () => $("names").getAttribute("aria-pressed") === "true"), "?": () => $("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  const isField = event.target.matches("input, textarea, dialog *");
  if (event.key === "Escape" && isField) { event.target.blur(); }
  if (event.key === "Enter" && event.target.matches(".remark, #points")) { event.target.blur(); }
  if (isField || !card || event.ctrlKey || event.metaKey || event.altKey) { return; }
  const digit = event.code.match(/^(?:Digit|Numpad)([1-9])$/);
  const act = digit ? () => (event.shiftKey ? reuse(digit[1] - 1) : give(digit[1] - 1)) : keys[event.key];
  if (act) { event.preventDefault(); act(); }
});

document.querySelectorAll(".point").forEach((button, at) => button.addEventListener("click", () => give(at)));
document.querySelectorAll(".change").forEach((button, at) =>
  button.addEventListener("click", () => openChange(at, nameOf(at), async () => { cards.clear(); await show(card.id, { isBack: true }); })));
document.querySelectorAll(".remark").forEach((field, at) => {
  field.addEventListener("focus", () => { place = at; showMark(); });
  field.addEventListener("input", () => remark(at, field.value, "remark " + at));
  field.addEventListener("change", () => { remember(begin.used.points[at], field.value); card.step = null; });
});
$("words").addEventListener("focus", () => { place = null; showMark(); });
$("words").addEventListener("input", () => change({ words: $("words").value }, "words"));
$("words").addEventListener("change", () => { remember(begin.used.whole, $("words").value); card.step = null; });
$("points").addEventListener("input", () => { if ($("points").validity.valid) { type($("points").value); } });
$("points").addEventListener("change", () => { card.step = null; });
$("none").addEventListener("click", giveNone);
$("confirm").addEventListener("click", () => change({}));
$("next").addEventListener("click", next);
$("back").addEventListener("click", back);
$("undo").addEventListener("click", undo);
$("names").addEventListener("click", toggleNames);
$("search-open").addEventListener("click", keys["/"]);
$("help-open").addEventListener("click", keys["?"]);
$("alike-open").addEventListener("click", alike);
$("alike-give").addEventListener("click", giveSame);
window.addEventListener("beforeunload", (event) => { if (!saver.isQuiet) { event.preventDefault(); } });
document.addEventListener("alike", showAlike);

if (!localStorage.getItem("autograder-desk-folded") && window.matchMedia("(min-width: 50rem)").matches) { fold(); }
const wanted = begin.order[Number(location.hash.slice(1)) - 1];
await show(wanted || nextUnread(null) || begin.order[0]);
