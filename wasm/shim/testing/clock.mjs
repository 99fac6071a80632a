/**
 * A clock that a test can move, forward and back. It takes the place of Date and performance.now for everything in the isolate; timers that
 * become due are found by the next tick of any request.
 */
const RealDate = Date;
const realPerformance = performance;
let offset = 0;

class ShiftedDate extends RealDate {
  /** @param {any[]} given */
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + offset);
    else super(.../** @type {[any]} */ (given));
  }

  static now() {
    return RealDate.now() + offset;
  }
}

globalThis.Date = /** @type {DateConstructor} */ (ShiftedDate);
Object.defineProperty(globalThis, "performance", {
  value: { now: () => realPerformance.now() + offset, timeOrigin: realPerformance.timeOrigin },
  configurable: true,
  writable: true,
});

/** @param {number} ms */
export function advance(ms) {
  offset += ms;
}
