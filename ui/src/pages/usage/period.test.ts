import { expect, test } from "vitest";

import { periodOf } from "./period";

const now = new Date(2026, 4, 20, 10, 30).getTime();
const local = (...at: [number, number, number, number?]) => new Date(at[0], at[1], at[2], at[3] ?? 0).toISOString();

test.each([
  ["24 hours, hour by hour", {}, local(2026, 4, 19, 11), local(2026, 4, 20, 11), "hour"],
  ["7 days, day by day", { range: "week" as const }, local(2026, 4, 13, 11), local(2026, 4, 20, 11), "day"],
  [
    "days of one's own, both included",
    { range: "own" as const, from: "2026-05-01", to: "2026-05-10" },
    local(2026, 4, 1),
    local(2026, 4, 11),
    "day",
  ],
  [
    "a day of one's own, hour by hour",
    { range: "own" as const, from: "2026-05-02", to: "2026-05-02" },
    local(2026, 4, 2),
    local(2026, 4, 3),
    "hour",
  ],
  [
    "a day whose hours are no longer kept",
    { range: "own" as const, from: "2026-03-02", to: "2026-03-02" },
    local(2026, 2, 2),
    local(2026, 2, 3),
    "day",
  ],
  [
    "not beyond now",
    { range: "own" as const, from: "2026-05-19", to: "2026-05-30" },
    local(2026, 4, 19),
    local(2026, 4, 20, 11),
    "hour",
  ],
  [
    "the wrong way round",
    { range: "own" as const, from: "2026-05-10", to: "2026-05-01" },
    local(2026, 4, 10),
    local(2026, 4, 11),
    "hour",
  ],
])("%s", (_, search, since, until, interval) => {
  expect(periodOf(search, now)).toEqual({ since, until, interval });
});
