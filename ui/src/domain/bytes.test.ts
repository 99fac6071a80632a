import { expect, test } from "vitest";

import { byteLength, bytes } from "./bytes";

test.each(["", "a", "ab", "abc", "abcd"])("the length of %j is counted without its padding", (text) =>
  expect(byteLength(btoa(text))).toBe(text.length),
);

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [4044, "4.0 kB"],
  [96_500, "97 kB"],
  [2_000_000, "2.0 MB"],
])("%d bytes are told as %s", (n, words) => expect(bytes(n)).toBe(words));
