let last = 0;
/** What the host's clock was set back by, in all. */
let behind = 0;

/**
 * Milliseconds since some moment, never 0 and never fewer than before. On Workers performance.now follows the wall clock: when that
 * is set back by an hour, no timer of the program may wait for the hour to come again.
 */
export function monotonic() {
  const now = performance.now() + behind + 1;
  if (now < last) behind += last - now;
  else last = now;
  return last;
}
