// Other points for a key point: first whose marks would change, then the change.

import { $, ask, begin, element, number, say, send } from "./server.js";

/** at: the key point's place; whenDone(): shows the essay anew. */
export function openChange(at, name, whenDone) {
  const field = $("change-points"), apply = $("change-apply");
  let seen = null;
  $("change-title").textContent = say("change", { name });
  field.value = begin.key_points[at].points;
  field.max = begin.max_points;
  reset();
  field.oninput = reset;
  $("change-see").onclick = async () => {
    reset();
    const points = Number(field.value);
    let found;
    try { found = await ask("points", [["place", at], ["points", points]]); } catch (error) { $("change-says").textContent = error.message; return; }
    const { changes, typed } = found, mean = (key) => number(changes.reduce((sum, one) => sum + one[key], 0) / changes.length);
    const count = changes.length ? say("change_count", { count: changes.length, before: mean("before"), after: mean("after") }) : say("change_none");
    $("change-says").textContent = [count, typed ? say("change_typed", { count: typed }) : ""].join(" ");
    $("change-list").replaceChildren(...changes.map((one) =>
      element("li", `${begin.order.indexOf(one.id) + 1}: ${number(one.before)} → ${number(one.after)}`)));
    seen = found.seen;
    apply.disabled = points === begin.key_points[at].points;
  };
  apply.onclick = async () => {
    const points = Number(field.value);
    const { status, answer } = await send("points", { place: at, points, seen });
    reset();
    if (status !== 200) { $("change-says").textContent = answer.problem || say("change_outdated"); return; }
    begin.key_points[at].points = points;
    $("change-says").textContent = say("change_done", { count: answer.changed });
    await whenDone();
  };
  $("change").showModal();

  function reset() {
    apply.disabled = true;
    $("change-says").textContent = "";
    $("change-list").replaceChildren();
  }
}
