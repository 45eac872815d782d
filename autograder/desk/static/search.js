// Search in the answers of a question.

import { $, ask, begin, element, say } from "./server.js";

let waiting = null;

/** show(id): shows an essay. withNames(): whether names are shown, and so are searched. */
export function openSearch(show, withNames) {
  const field = $("search-for");
  field.oninput = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => find(field.value, show, withNames()), 150);
  };
  field.onkeydown = (event) => {
    if (event.key === "Enter") { event.preventDefault(); $("search-found").querySelector("button")?.click(); }
  };
  $("search").showModal();
  field.select();
}

async function find(words, show, names) {
  const found = await ask("search", [["for", words], ["names", names ? "yes" : ""]]);
  if ($("search-for").value !== words) { return; }
  $("search-count").textContent = words.trim() ? say("found", { count: found.length }) : "";
  $("search-found").replaceChildren(...found.slice(0, 50).map(({ id, around }) => {
    const button = element("button", `${begin.order.indexOf(id) + 1} · ${around}`, { type: "button" });
    button.onclick = () => { $("search").close(); show(id); };
    return element("li", button);
  }));
}
