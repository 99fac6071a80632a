import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "../bytes.mjs";
import { HostError } from "../host_error.mjs";
import { kvDelete, kvGet, kvList, kvPut } from "../operations/kv.mjs";

/** A namespace that keeps what it is given. */
function namespace() {
  const entries = new Map();
  const asked = [];
  return {
    entries,
    asked,
    async getWithMetadata(key) {
      const entry = entries.get(key);
      return entry ? { value: entry.value.buffer, metadata: entry.metadata ?? null } : { value: null, metadata: null };
    },
    async put(key, value, { metadata, expirationTtl }) {
      entries.set(key, { value: value.slice(), metadata, expirationTtl });
    },
    async delete(key) {
      entries.delete(key);
    },
    async list({ prefix, limit, cursor }) {
      asked.push(limit);
      const names = [...entries.keys()].sort().filter((name) => name.startsWith(prefix) && name > (cursor ?? ""));
      const keys = names.slice(0, limit).map((name) => ({ name, metadata: entries.get(name).metadata }));
      return names.length > limit ? { keys, list_complete: false, cursor: keys.at(-1).name } : { keys, list_complete: true };
    },
  };
}

const run = (operation, real, meta, body = "") => operation({ owner: { env: { CONFIG: real } }, meta, body: encode(body) });

/** @param {Promise<unknown>} promise @param {string} code */
const fails = (promise, code) => assert.rejects(promise, (e) => e instanceof HostError && e.code === code);

test("metadata is stored as ASCII and comes back as the same JSON", async () => {
  const real = namespace();
  await run(kvPut, real, 'CONFIG\nk\n60\n{"note":"grün 🔑"}', "value");
  assert.match(real.entries.get("k").metadata, /^[\x20-\x7e]+$/);
  assert.equal(real.entries.get("k").expirationTtl, 60);
  const got = await run(kvGet, real, "CONFIG\nk");
  assert.equal(got.n, 1);
  assert.equal(decode(got.body), "value");
  assert.deepEqual(JSON.parse(got.meta), { note: "grün 🔑" });
});

test("what is malformed or too large is refused before the binding sees it", async () => {
  const real = namespace();
  await fails(run(kvGet, real, "NOWHERE\nk"), "notfound");
  for (const key of ["", ".", "..", "a\tb"]) await fails(run(kvGet, real, `CONFIG\n${key}`), "invalid");
  await fails(run(kvGet, real, `CONFIG\n${"ü".repeat(257)}`), "limit");
  for (const ttl of ["59", "-1", "", "1e3", "soon"]) await fails(run(kvPut, real, `CONFIG\nk\n${ttl}\n`), "invalid");
  await fails(run(kvPut, real, "CONFIG\nk\n0\nno JSON"), "invalid");
  await fails(run(kvPut, real, `CONFIG\nk\n0\n"${"x".repeat(1100)}"`), "limit");
  await fails(run(kvList, real, "CONFIG\n\n0\n"), "invalid");
  await fails(run(kvList, real, "CONFIG\n\n1001\n"), "limit");
  assert.equal(real.entries.size, 0);
});

test("a page whose reply would be too large is asked for again with fewer keys", async () => {
  const real = namespace();
  for (let i = 0; i < 1000; i++) await run(kvPut, real, `CONFIG\n${"k".repeat(500)}${String(i).padStart(4, "0")}\n0\n`);
  const keys = [];
  for (let cursor = ""; ;) {
    const page = await run(kvList, real, `CONFIG\nk\n1000\n${cursor}`);
    assert.ok(page.meta.length <= 256 << 10);
    const [next, ...entries] = page.meta.split("\n");
    assert.equal(entries.length, page.n);
    keys.push(...entries.map((entry) => entry.split("\t")[0]));
    if (next === "") break;
    cursor = next;
  }
  assert.equal(new Set(keys).size, 1000);
  assert.ok(real.asked.includes(250));
});

test("deleting an absent key is fine", async () => {
  assert.deepEqual(await run(kvDelete, namespace(), "CONFIG\nk"), {});
});
