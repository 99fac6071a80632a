import assert from "node:assert/strict";
import { test } from "node:test";
import { Timers } from "../timers.mjs";

test("the next timer is the one that is due first", (t) => {
  t.mock.method(performance, "now", () => 999);
  const timers = new Timers();
  assert.equal(timers.next(), Infinity);
  const late = timers.add(500);
  const soon = timers.add(100);
  assert.notEqual(late, soon);
  assert.equal(timers.next(), 1100);
  timers.clear(soon);
  assert.equal(timers.next(), 1500);
  timers.clear(late);
  timers.clear(late);
  assert.equal(timers.size, 0);
});
