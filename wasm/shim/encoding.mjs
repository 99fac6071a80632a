// Metas, headers and frames as docs/host-abi.md writes them.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const EMPTY = new Uint8Array(0);

/** @param {string} text */
export const encode = (text) => (text ? encoder.encode(text) : EMPTY);

/** @param {Uint8Array} bytes */
export const decode = (bytes) => decoder.decode(bytes);

/**
 * A failed operation: a code of docs/host-abi.md and a message for the log.
 */
export class OperationError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Splits header lines "name:value".
 * @param {string[]} lines
 * @param {number} from index of the first header line
 * @returns {[string, string][]}
 */
export function parseHeaders(lines, from) {
  /** @type {[string, string][]} */
  const headers = [];
  for (let i = from; i < lines.length; i++) {
    const colon = lines[i].indexOf(":");
    if (colon > 0) headers.push([lines[i].slice(0, colon), lines[i].slice(colon + 1)]);
  }
  return headers;
}

/**
 * Appends a header line per value. Values from outside have no line break: fetch refuses them.
 * @param {string} first
 * @param {Iterable<[string, string]>} headers
 */
export function joinHeaders(first, headers) {
  let meta = first;
  for (const [name, value] of headers) meta += "\n" + name + ":" + value;
  return meta;
}

/**
 * Splits a body into its frames, which alias it.
 * @param {Uint8Array} body
 * @param {number} count how many frames there must be
 */
export function frames(body, count) {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const out = [];
  let at = 0;
  while (at < body.length) {
    if (at + 4 > body.length) throw new OperationError("invalid", "malformed frames");
    const end = at + 4 + view.getUint32(at, true);
    if (end > body.length) throw new OperationError("invalid", "malformed frames");
    out.push(body.subarray(at + 4, end));
    at = end;
  }
  if (out.length !== count) throw new OperationError("invalid", "number of frames");
  return out;
}

/**
 * Joins byte strings as frames.
 * @param {Uint8Array[]} parts
 */
export function joinFrames(parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + 4 + p.length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const p of parts) {
    view.setUint32(at, p.length, true);
    out.set(p, at + 4);
    at += 4 + p.length;
  }
  return out;
}

/**
 * Escapes what is not ASCII in a JSON text: KV warns about other metadata.
 * @param {string} json
 */
export const asciiJSON = (json) =>
  json.replace(/[\u007f-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

/**
 * @param {string} text
 * @returns {boolean} whether text has a control character
 */
export function hasControl(text) {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x20 || c === 0x7f) return true;
  }
  return false;
}
