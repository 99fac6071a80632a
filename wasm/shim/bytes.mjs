const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const NOTHING = new Uint8Array(0);

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} */
export const encode = (text) => (text === "" ? NOTHING : /** @type {Uint8Array<ArrayBuffer>} */ (encoder.encode(text)));

/** @param {Uint8Array | ArrayBuffer} bytes */
export const decode = (bytes) => decoder.decode(bytes);

/**
 * Splits a body into its frames: for each, its length (u32, little endian), then its bytes.
 *
 * @param {Uint8Array<ArrayBuffer>} body
 * @returns {Uint8Array<ArrayBuffer>[] | undefined} views of body; undefined if it is malformed
 */
export function frames(body) {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const out = [];
  for (let at = 0; at < body.length;) {
    if (at + 4 > body.length) return undefined;
    const length = view.getUint32(at, true);
    at += 4;
    if (at + length > body.length) return undefined;
    out.push(body.subarray(at, at + length));
    at += length;
  }
  return out;
}

/**
 * Joins byte strings to frames.
 *
 * @param {Uint8Array[]} parts
 */
export function join(parts) {
  let size = 0;
  for (const part of parts) size += 4 + part.length;
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    out.set(part, at + 4);
    at += 4 + part.length;
  }
  return out;
}

/** @param {Uint8Array} a @param {Uint8Array} b */
export function equal(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Cuts the first lines off a meta.
 *
 * @param {string} meta
 * @param {number} count
 * @returns {string[]} count lines, then the rest; what is missing is ""
 */
export function lines(meta, count) {
  const out = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = meta.indexOf("\n", at);
    if (end < 0) {
      out.push(meta.slice(at));
      at = meta.length;
    } else {
      out.push(meta.slice(at, end));
      at = end + 1;
    }
  }
  out.push(meta.slice(at));
  return out;
}

/** Whether a name or key is free of control characters. @param {string} text */
export function clean(text) {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x20 || c === 0x7f) return false;
  }
  return true;
}
