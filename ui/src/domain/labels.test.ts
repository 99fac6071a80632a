import { expect, test } from "vitest";
import { inWords } from "./labels";

test.each([
  ["life_seconds", "Life (seconds)"],
  ["took_ms", "Took (ms)"],
  ["oauth_error", "OAuth error"],
  ["idp_status", "IdP status"],
  ["message", "Message"],
])("%s is written %s", (name, words) => expect(inWords(name)).toBe(words));
