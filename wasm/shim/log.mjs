/**
 * Writes one line of JSON to the Worker's log at its level (slog's numbers: -4 debug, 0 info, 4 warn, 8 error).
 *
 * @param {number} level
 * @param {string} line
 */
export function log(level, line) {
  if (level >= 8) console.error(line);
  else if (level >= 4) console.warn(line);
  else if (level >= 0) console.log(line);
  else console.debug(line);
}
