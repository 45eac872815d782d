// Marks on their way to the gradebook: one save of an essay at a time, tried again until the server has answered.

import { send } from "./server.js";

const FIRST_WAIT = 500, LONGEST_WAIT = 8000; // milliseconds

export class Saver {
  /** said: onState(state), onSaved(card, states), onRefused(card, answer), onProblem(words). */
  constructor(said) {
    this.said = said;
    this.lines = new Map(); // by essay: what is on its way, and what is to follow
    this.failed = false;
  }

  get isQuiet() { return this.lines.size === 0; }

  /** what: { mark } or { back }, see Desk.save. A newer mark takes the place of one that has not left yet. */
  save(card, what) {
    const line = this.lines.get(card.id) || { card, next: null };
    line.next = what;
    if (!this.lines.has(card.id)) {
      this.lines.set(card.id, line);
      this.run(line);
    }
    this.tell();
  }

  async run(line) {
    let wait = FIRST_WAIT;
    while (line.next) {
      const what = line.next, card = line.card;
      line.next = null;
      const { status, answer } = await send("save", { id: card.id, digest: card.digest, version: card.version, ...what })
        .catch(() => ({ status: 0 }));
      this.failed = status === 0 || status >= 500 || status === 403; // gone, busy, or logged out: nothing is lost yet
      if (this.failed) {
        line.next = line.next || what;
        this.tell();
        await new Promise((done) => setTimeout(done, wait));
        wait = Math.min(2 * wait, LONGEST_WAIT);
        continue;
      }
      wait = FIRST_WAIT;
      if (status === 200) {
        const { mark, ...rest } = answer.card;
        Object.assign(card, rest, line.next ? {} : { mark });
        this.said.onSaved(card, answer.states);
      } else {
        line.next = null;
        if (status === 409) { this.said.onRefused(card, answer); } else { this.said.onProblem(answer.problem || status); }
      }
    }
    this.lines.delete(line.card.id);
    this.tell();
  }

  tell() { this.said.onState(this.failed ? "unsaved" : this.isQuiet ? "saved" : "saving"); }
}
