// Signatures with WebCrypto: in Go an RS256 signature takes ten times as long.

import { Code } from "../codes.mjs";
import { OperationError, frames } from "../encoding.mjs";

/** @type {Record<string, { key: any, use: any, secret?: boolean }>} */
const ALGORITHMS = {
  ES256: { key: { name: "ECDSA", namedCurve: "P-256" }, use: { name: "ECDSA", hash: "SHA-256" } },
  RS256: { key: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, use: { name: "RSASSA-PKCS1-v1_5" } },
  PS256: { key: { name: "RSA-PSS", hash: "SHA-256" }, use: { name: "RSA-PSS", saltLength: 32 } },
  EdDSA: { key: { name: "Ed25519" }, use: { name: "Ed25519" } },
  HS256: { key: { name: "HMAC", hash: "SHA-256" }, use: { name: "HMAC" }, secret: true },
};

/** Imported keys; a CryptoKey belongs to no request. The least recently used one goes. */
const MAX_KEYS = 64;
/** @type {Map<string, any>} */
const keys = new Map();

/**
 * @param {string} alg
 * @param {Uint8Array} material
 * @param {"sign" | "verify"} use
 */
async function importKey(alg, material, use) {
  const algorithm = ALGORITHMS[alg];
  if (!algorithm) throw new OperationError(Code.Unsupported, "algorithm " + alg);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", material));
  const id = `${alg} ${use} ${String.fromCharCode(...hash)}`;
  let key = keys.get(id);
  keys.delete(id);
  if (!key) {
    const format = algorithm.secret ? "raw" : use === "sign" ? "pkcs8" : "spki";
    try {
      key = await crypto.subtle.importKey(format, material, algorithm.key, false, [use]);
    } catch {
      throw new OperationError(Code.Invalid, "the key does not fit the algorithm");
    }
  }
  keys.set(id, key);
  for (const oldest of keys.keys()) {
    if (keys.size <= MAX_KEYS) break;
    keys.delete(oldest);
  }
  return { key, use: algorithm.use };
}

/**
 * lines: algorithm; body: frames key, message.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function sign({ lines: [alg], body }) {
  const [material, message] = frames(body, 2);
  const { key, use } = await importKey(alg, material, "sign");
  return { body: new Uint8Array(await crypto.subtle.sign(use, key, message)) };
}

/**
 * lines: algorithm; body: frames key, message, signature. n = 1 valid.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function verify({ lines: [alg], body }) {
  const [material, message, signature] = frames(body, 3);
  const { key, use } = await importKey(alg, material, "verify");
  return { n: (await crypto.subtle.verify(use, key, signature, message)) ? 1 : 0 };
}

/**
 * lines: SHA-256; body: data.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function digest({ lines: [alg], body }) {
  if (alg !== "SHA-256") throw new OperationError(Code.Unsupported, "digest " + alg);
  return { body: new Uint8Array(await crypto.subtle.digest(alg, body)) };
}
