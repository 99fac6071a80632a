import type { Usage } from "../../api/types";

export type Field = "calls" | "errors" | "p95" | "cost";

/** Lines drawn one by one; the rest is summed up. */
const MOST = 5;

export interface Table {
  names: string[];
  /** A row for each time; v0, v1 … are the values of the names. */
  rows: Record<string, number | string | undefined>[];
}

/** The series of one figure as rows for a chart: a row for each step of the period, also where nothing happened. */
export function table(usage: Usage, field: Field): Table {
  const big = [...usage.data].sort((a, b) => b.calls - a.calls);
  const shown = big.slice(0, MOST);
  const rest = big.slice(MOST);
  // A percentile cannot be added up.
  const others = field === "p95" ? [] : rest;
  const names = [...shown.map((d) => d.name), ...(others.length > 0 ? [`${others.length} others`] : [])];
  const step = usage.interval === "hour" ? 3_600_000 : 86_400_000;
  const rows = new Map<number, Record<string, number | string | undefined>>();
  const begin = Math.floor(new Date(usage.from).getTime() / step) * step;
  for (let t = begin; t < new Date(usage.to).getTime(); t += step) {
    const row: Record<string, number | string | undefined> = { t: new Date(t).toISOString() };
    names.forEach((_, i) => (row[`v${i}`] = field === "p95" ? undefined : 0));
    rows.set(t, row);
  }
  const add = (i: number, series: Usage["data"][number]["series"]) => {
    for (const point of series ?? []) {
      const row = rows.get(Math.floor(new Date(point.t).getTime() / step) * step);
      if (row && (field !== "p95" || point.calls > 0)) row[`v${i}`] = Number(row[`v${i}`] ?? 0) + point[field];
    }
  };
  shown.forEach((d, i) => add(i, d.series));
  for (const d of others) add(shown.length, d.series);
  return { names, rows: [...rows.values()] };
}
