import { STEP } from "./limits.mjs";

let last = 0;
/** What the host's clock was set back by, in all. */
let behind = 0;

/**
 * Milliseconds since some moment, never 0 and never fewer than before. On Workers performance.now follows the wall clock: when that
 * is set back by an hour, no timer of the program may wait for the hour to come again. It may also differ a little from request to
 * request, because each sees the time of its own last I/O: going back by less than STEP means that, and time stands still meanwhile.
 */
export function monotonic() {
  const now = performance.now() + behind + 1;
  if (now < last - STEP) behind += last - now;
  else if (now > last) last = now;
  return last;
}
