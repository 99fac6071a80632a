import assert from "node:assert/strict";
import { test } from "node:test";
import { encode, join } from "../bytes.mjs";
import { HostError } from "../host_error.mjs";
import { storagePut, storageTransact } from "../operations/storage.mjs";

/** A storage whose writes fail with this. @param {Error} error */
function failing(error) {
  const kv = {
    put() {
      throw error;
    },
  };
  return { kv, transactionSync: (run) => run(), async sync() {} };
}

const operation = (storage, meta, body) => ({ owner: { actor: { storage } }, meta, body });

test("a storage that is full is told from a broken one", async () => {
  for (const [text, code] of [
    ["database or disk is full: SQLITE_FULL", "limit"],
    ["disk I/O error: SQLITE_IOERR", undefined],
  ]) {
    const storage = failing(new Error(text));
    const is = (e) => (code ? e instanceof HostError && e.code === code : e.message === text);
    await assert.rejects(storagePut(operation(storage, "k", encode("v"))), is);
    await assert.rejects(storageTransact(operation(storage, "put k", join([encode("v")]))), is);
  }
});
