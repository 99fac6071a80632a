import assert from "node:assert/strict";
import { test } from "node:test";
import { clean, decode, encode, equal, frames, join, lines } from "../bytes.mjs";

test("frames survive a round trip", () => {
  for (const parts of [[], [""], ["a", "", "grün"], ["x".repeat(100_000), "y"]]) {
    const bytes = parts.map(encode);
    assert.deepEqual(frames(join(bytes))?.map(decode), parts);
  }
});

test("malformed frames are refused", () => {
  for (const bytes of [[1], [1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0, 9], [255, 255, 255, 255, 1]]) {
    assert.equal(frames(new Uint8Array(bytes)), undefined, String(bytes));
  }
});

test("frames of a view are read from where it begins", () => {
  const whole = new Uint8Array([9, 9, ...join([encode("ab")])]);
  assert.deepEqual(frames(whole.subarray(2))?.map(decode), ["ab"]);
});

test("any bytes are either frames or refused", () => {
  for (let round = 0; round < 2000; round++) {
    const bytes = crypto.getRandomValues(new Uint8Array(round % 40)).map((b, i) => (i % 4 === 0 ? b % 8 : i % 4 === 3 ? b : 0));
    const parts = frames(bytes);
    if (parts) assert.ok(equal(join(parts), bytes));
  }
});

test("lines are cut off a meta", () => {
  assert.deepEqual(lines("a\nb\nc\nd", 2), ["a", "b", "c\nd"]);
  assert.deepEqual(lines("a", 2), ["a", "", ""]);
  assert.deepEqual(lines("", 1), ["", ""]);
  assert.deepEqual(lines("a\n", 1), ["a", ""]);
  assert.deepEqual(lines("\n\nx", 2), ["", "", "x"]);
});

test("control characters are found", () => {
  assert.ok(clean("a/b ü"));
  for (const c of ["\0", "\t", "\n", "\r", "\x1f", "\x7f"]) assert.ok(!clean(`a${c}b`));
});
