import { expect, test } from "vitest";

import { changes } from "./diff";

test("only what differs is listed, with its path", () => {
  const before = { a: 1, b: { c: [1], d: 2 }, version: 1, gone: true };
  const after = { a: 1, b: { c: [1, 2], d: 2 }, version: 2, new: "x" };
  expect(changes(before, after)).toEqual([
    { path: "b.c", before: [1], after: [1, 2] },
    { path: "gone", before: true, after: undefined },
    { path: "new", before: undefined, after: "x" },
  ]);
});
