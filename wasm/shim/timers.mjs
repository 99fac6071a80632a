import { monotonic } from "./monotonic.mjs";

/**
 * The Go program's timers. Go's own runtime would make one setTimeout in the context of whichever request runs, and it would die
 * with that request; so the table only remembers when timers are due, and every waiting request looks at it.
 */
export class Timers {
  /** @type {Map<number, number>} id to due time, in ms of monotonic */
  #due = new Map();
  #last = 0;

  get size() {
    return this.#due.size;
  }

  /** @param {number} delay in ms @returns {number} the timer's id */
  add(delay) {
    this.#last = this.#last >= 0x7fffffff ? 1 : this.#last + 1;
    this.#due.set(this.#last, monotonic() + delay);
    return this.#last;
  }

  /** @param {number} id */
  clear(id) {
    this.#due.delete(id);
  }

  /** When the next timer is due, in ms of monotonic; Infinity without any. */
  next() {
    let first = Infinity;
    for (const due of this.#due.values()) if (due < first) first = due;
    return first;
  }
}
