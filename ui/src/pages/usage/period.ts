// The period that the usage is shown for.

import type { UsageSearch } from "../../app/router";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const lengths = { day: DAY, week: 7 * DAY, month: 30 * DAY } as const;

/** Up to this length hours are shown one by one: 3 days. */
const HOURLY = 3 * DAY;

/** As the gateway keeps hours. */
const HOURS_KEPT = 35 * DAY;

export interface Period {
  since: string;
  until: string;
  interval: "hour" | "day";
}

/** Midnight at the beginning of a local day, so many days later. */
function midnight(day: string, later = 0): number {
  const d = new Date(`${day}T00:00`);
  return new Date(d.getFullYear(), d.getMonth(), d.getDate() + later).getTime();
}

/** The times of a search, on whole hours so that the answer can be kept for a while. */
export function periodOf({ range = "day", from, to }: UsageSearch, now = Date.now()): Period {
  const next = Math.ceil(now / HOUR) * HOUR;
  let [since, until] = range === "own" ? [next - lengths.week, next] : [next - lengths[range], next];
  if (range === "own") {
    if (from) since = midnight(from.slice(0, 10));
    if (to) until = Math.min(midnight(to.slice(0, 10), 1), next);
    // The wrong way round: one day is shown.
    if (until <= since) until = since + DAY;
  }
  const hourly = range === "day" || (until - since <= HOURLY && now - since < HOURS_KEPT);
  return {
    since: new Date(since).toISOString(),
    until: new Date(until).toISOString(),
    interval: hourly ? "hour" : "day",
  };
}
