// The Go runtime's timers. It keeps one host timeout; a setTimeout of ours would die with the request that made it, so the
// deadlines live in a table and every pending request looks at it (instance.mjs).

export class Timers {
  /** @type {Map<number, number>} id → deadline, ms since the epoch */
  #deadlines = new Map();
  #last = 0;

  /** @param {number} ms */
  schedule(ms) {
    const id = ++this.#last;
    this.#deadlines.set(id, Date.now() + ms);
    return id;
  }

  /** @param {number} id */
  clear(id) {
    this.#deadlines.delete(id);
  }

  get pending() {
    return this.#deadlines.size > 0;
  }

  /** The earliest deadline, or Infinity. */
  get next() {
    let next = Infinity;
    for (const d of this.#deadlines.values()) if (d < next) next = d;
    return next;
  }
}
