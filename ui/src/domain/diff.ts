export interface Change {
  path: string;
  before: unknown;
  after: unknown;
}

/** Fields that change with every change and tell nothing. */
const noise = new Set(["version", "updated_at", "updated_by"]);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What differs between two objects, by path, in alphabetical order. */
export function changes(before: unknown, after: unknown, at = ""): Change[] {
  if (isRecord(before) && isRecord(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names
      .filter((n) => at !== "" || !noise.has(n))
      .flatMap((n) => changes(before[n], after[n], at ? `${at}.${n}` : n));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path: at, before, after }];
}

/** A value on one line. */
export function brief(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
