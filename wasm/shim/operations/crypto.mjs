import { frames } from "../bytes.mjs";
import { HostError } from "../host_error.mjs";
import { MAX_CACHED_KEYS } from "../limits.mjs";

/** @import { Operation, Reply } from "./table.mjs" */

/**
 * The algorithms of JSON Web Signatures (RFC 7518 §3.1, RFC 8037) in the terms of WebCrypto.
 *
 * @type {Record<string, { key: any; use: any; secret?: boolean }>}
 */
const ALGORITHMS = {
  ES256: { key: { name: "ECDSA", namedCurve: "P-256" }, use: { name: "ECDSA", hash: "SHA-256" } },
  RS256: { key: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, use: { name: "RSASSA-PKCS1-v1_5" } },
  PS256: { key: { name: "RSA-PSS", hash: "SHA-256" }, use: { name: "RSA-PSS", saltLength: 32 } },
  EdDSA: { key: { name: "Ed25519" }, use: { name: "Ed25519" } },
  HS256: { key: { name: "HMAC", hash: "SHA-256" }, use: { name: "HMAC" }, secret: true },
};

/** Every byte is one character here, so that bytes can be the key of a map. */
const latin1 = new TextDecoder("latin1");

/**
 * Imported keys, the one used last at the end. A CryptoKey is no I/O object: all requests share it.
 *
 * @type {Map<string, CryptoKey>}
 */
const keys = new Map();

/**
 * @param {string} name of the algorithm
 * @param {"sign" | "verify"} use
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
async function importKey(name, use, bytes) {
  if (!Object.hasOwn(ALGORITHMS, name)) throw new HostError("invalid", "algorithm");
  const algorithm = ALGORITHMS[name];
  const id = `${name} ${use} ${latin1.decode(bytes)}`;
  let key = keys.get(id);
  if (key) {
    keys.delete(id);
  } else {
    const format = algorithm.secret ? "raw" : use === "sign" ? "pkcs8" : "spki";
    try {
      key = await crypto.subtle.importKey(format, bytes, algorithm.key, false, [use]);
    } catch {
      throw new HostError("invalid", "key");
    }
  }
  keys.set(id, key);
  if (keys.size > MAX_CACHED_KEYS) {
    for (const oldest of keys.keys()) {
      keys.delete(oldest);
      break;
    }
  }
  return { key, use: algorithm.use };
}

/**
 * @param {Uint8Array<ArrayBuffer>} body
 * @param {number} count
 */
function parts(body, count) {
  const out = frames(body);
  if (out?.length !== count) throw new HostError("invalid", "frames");
  return out;
}

/**
 * Signs. Meta: algorithm; body: frames key (PKCS #8; raw for HS256), message.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} body = signature
 */
export async function sign({ meta, body }) {
  const [bytes, message] = parts(body, 2);
  const { key, use } = await importKey(meta, "sign", bytes);
  return { body: new Uint8Array(await crypto.subtle.sign(use, key, message)) };
}

/**
 * Checks a signature. Meta: algorithm; body: frames key (SPKI; raw for HS256), message, signature.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} n = 1 valid, 0 not
 */
export async function verify({ meta, body }) {
  const [bytes, message, signature] = parts(body, 3);
  const { key, use } = await importKey(meta, "verify", bytes);
  return { n: (await crypto.subtle.verify(use, key, signature, message)) ? 1 : 0 };
}

/** What WebCrypto must be told of a new RSA key (RFC 7518 §3.3: at least 2048 bits). */
const NEW_RSA = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };

/**
 * Makes a private key. Meta: algorithm.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} body = the key, PKCS #8
 */
export async function generate({ meta }) {
  if (!Object.hasOwn(ALGORITHMS, meta) || ALGORITHMS[meta].secret) throw new HostError("invalid", "algorithm");
  const { key } = ALGORITHMS[meta];
  const pair = /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey({ ...key, ...NEW_RSA }, true, ["sign", "verify"]));
  return { body: new Uint8Array(/** @type {ArrayBuffer} */ (await crypto.subtle.exportKey("pkcs8", pair.privateKey))) };
}

/**
 * Hashes. Meta: SHA-256; body: data.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} body = digest
 */
export async function digest({ meta, body }) {
  if (meta !== "SHA-256") throw new HostError("invalid", "algorithm");
  return { body: new Uint8Array(await crypto.subtle.digest("SHA-256", body)) };
}
