import assert from "node:assert/strict";
import { test } from "node:test";
import { monotonic } from "../monotonic.mjs";

test("a clock that is set back does not take time back", (t) => {
  let now = 5_000_000;
  t.mock.method(performance, "now", () => now);
  const begin = monotonic();
  now += 10;
  assert.equal(monotonic(), begin + 10);
  now -= 20;
  assert.equal(monotonic(), begin + 10, "another request's reading");
  now += 20;
  assert.equal(monotonic(), begin + 10);
  now -= 3_600_000;
  assert.equal(monotonic(), begin + 10);
  now += 5;
  assert.equal(monotonic(), begin + 15);
  now += 3_600_000;
  assert.equal(monotonic(), begin + 3_600_015, "forward it cannot be told from time that passes");
});
