import { expect, test } from "vitest";

import { keyForm, keyInput } from "./keyForm";

import type { Key } from "../api/types";

const now = Date.parse("2026-01-01T00:00:00Z");
const form = { ...keyForm(), name: " ci ", servers: ["a"], tools: { a: ["echo"], b: ["left"] } };

test("a new key says what was entered, and no more", () => {
  expect(keyInput(form, undefined, now)).toEqual({
    name: "ci",
    role: "caller",
    disabled: false,
    all_servers: false,
    servers: ["a"],
    groups: [],
    tools: { a: ["echo"] },
    expires_at: "2026-04-01T00:00:00.000Z",
  });
});

test("no tool ticked is none, not all", () => {
  expect(keyInput({ ...form, tools: { a: [] } }).tools).toEqual({ a: [] });
});

test("every server leaves no single grant behind, and an administrator needs none", () => {
  for (const change of [{ all_servers: true }, { role: "admin" as const }]) {
    expect(keyInput({ ...form, groups: ["g"], ...change })).toMatchObject({ servers: [], groups: [], tools: {} });
  }
});

test("an emptied field of a stored key is reset, its end is kept", () => {
  const stored = { name: "k", role: "caller", owner: "me", requests_per_minute: 5 } as Key;
  const input = keyInput({ ...keyForm(stored), owner: "", requests_per_minute: "" }, stored);
  expect(input).toMatchObject({ owner: null, requests_per_minute: null });
  expect(input).not.toHaveProperty("expires_at");
});
