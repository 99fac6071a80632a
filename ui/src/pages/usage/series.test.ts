import { expect, test } from "vitest";

import { table } from "./series";

import type { Usage } from "../../api/types";

const figures = (calls: number) => ({
  calls,
  errors: 0,
  denied: 0,
  latency_ms: { mean: 1, p50: 1, p95: 1, max: 1 },
  cost: 0,
});

function usage(names: number): Usage {
  return {
    from: "2026-01-01T00:00:00Z",
    to: "2026-01-01T03:00:00Z",
    interval: "hour",
    group_by: "server",
    totals: figures(10),
    data: Array.from({ length: names }, (_, i) => ({
      ...figures(names - i),
      id: String(i),
      name: `s${i}`,
      series: [{ t: "2026-01-01T01:00:00Z", calls: i + 1, errors: 0, p95: 5, cost: 0 }],
    })),
  };
}

test("every step of the period has a row, quiet ones are 0", () => {
  const { rows, names } = table(usage(1), "calls");
  expect(names).toEqual(["s0"]);
  expect(rows.map((r) => r.v0)).toEqual([0, 1, 0]);
});

test("no calls have no latency", () => {
  expect(table(usage(1), "p95").rows.map((r) => r.v0)).toEqual([undefined, 5, undefined]);
});

test("from the sixth on they are summed up, but a percentile is not", () => {
  const { names, rows } = table(usage(7), "calls");
  expect(names.at(-1)).toBe("2 others");
  expect(rows[1]?.v5).toBe(6 + 7);
  expect(table(usage(7), "p95").names).toHaveLength(5);
});
