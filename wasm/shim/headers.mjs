/** Headers that belong to one connection (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Begins the names of headers that never come from outside. */
const INTERNAL_PREFIX = "grantway-internal-";

/** Encodings that the runtime undoes when a body is read, without changing the headers. */
export const UNDONE_ENCODINGS = new Set(["gzip", "br", "deflate", "zstd"]);

/**
 * The lines "\nname:value" of a request's headers.
 *
 * @param {Headers} headers
 * @param {boolean} outside whether the request comes from outside
 */
export function requestLines(headers, outside) {
  let out = "";
  for (const [name, value] of headers) {
    if (HOP_BY_HOP.has(name) || (outside && name.startsWith(INTERNAL_PREFIX))) continue;
    out += `\n${name}:${value}`;
  }
  return out;
}

/**
 * The lines "\nname:value" of a response's headers. An encoding that the runtime undoes is left out, together with the length
 * that it falsifies: the guest is told what it will read.
 *
 * @param {Headers} headers
 */
export function responseLines(headers) {
  const undone = UNDONE_ENCODINGS.has(headers.get("content-encoding") ?? "");
  let out = "";
  for (const [name, value] of headers) {
    if (HOP_BY_HOP.has(name) || (undone && (name === "content-encoding" || name === "content-length"))) continue;
    out += `\n${name}:${value}`;
  }
  return out;
}

/**
 * Reads lines "name:value".
 *
 * @param {string} text
 * @returns {Headers} throws TypeError for a malformed name or value
 */
export function parse(text) {
  const headers = new Headers();
  if (text === "") return headers;
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1));
  }
  return headers;
}
