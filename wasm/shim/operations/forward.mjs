import { lines } from "../bytes.mjs";
import { parse, UNDONE_ENCODINGS } from "../headers.mjs";
import { HostError } from "../host_error.mjs";
import { MAX_KNOWN_HEADERS } from "../limits.mjs";

/**
 * An order to send a request to the network and to give its answer to the client.
 *
 * @typedef {object} Order
 * @property {string} url
 * @property {RequestInit} init
 * @property {number} timeout until the head of the answer, in ms
 * @property {string} pass names of the answer's fields that are passed on
 * @property {string[]} swap a field of the answer that the client knows by another value: name, the server's value, the client's; or
 *   none of them
 * @property {string[]} added lines "name:value" that are added to the answer
 */

/**
 * Reads an order. Meta: method, URL, limit of the time until the head in ms, names of fields to pass on, a field
 * to swap (name, the server's value and the client's, with a space between them) or nothing, number of lines that are added to the
 * answer, those lines, headers of the request.
 *
 * @param {string} meta
 * @param {Uint8Array<ArrayBuffer>} body
 * @returns {Order} throws HostError
 */
export function readOrder(meta, body) {
  const [method, url, limit, pass, swap, count, rest] = lines(meta, 6);
  const timeout = Number(limit);
  const number = Number(count);
  if (!/^https?:\/\//.test(url) || !(timeout > 0) || !(number >= 0)) throw new HostError("invalid", "URL, limit or number");
  const added = [];
  let at = 0;
  for (let i = 0; i < number && at < rest.length; i++) {
    const end = rest.indexOf("\n", at);
    added.push(end < 0 ? rest.slice(at) : rest.slice(at, end));
    at = end < 0 ? rest.length : end + 1;
  }
  const headers = headersOf(rest.slice(at));
  return {
    url,
    init: { method, headers, body: body.length > 0 ? body : null, redirect: "manual" },
    timeout,
    pass,
    swap: swap ? swap.split(" ") : [],
    added,
  };
}

/**
 * Headers by their lines. Most requests to a server have the same ones; making them costs the runtime a call per field.
 *
 * @type {Map<string, Headers>}
 */
const known = new Map();

/** @param {string} text lines "name:value" @returns {Headers} shared, not to be changed */
function headersOf(text) {
  let headers = known.get(text);
  if (headers) return headers;
  try {
    headers = parse(text);
  } catch {
    throw new HostError("invalid", "header");
  }
  headers.delete("host");
  headers.delete("content-length");
  if (known.size >= MAX_KNOWN_HEADERS) known.clear();
  known.set(text, headers);
  return headers;
}

/**
 * Adds the field to be swapped with the client's value, if the answer has it.
 *
 * @param {Order} order
 * @param {Response} answer
 * @returns {boolean} false if the answer has it with another value than the server's: it is not passed on
 */
export function swapped({ swap: [name, theirs, ours], added }, answer) {
  if (name === undefined) return true;
  const value = answer.headers.get(name);
  if (value === null) return true;
  added.push(`${name}:${ours}`);
  return theirs !== "" && value === theirs;
}

/**
 * The response that passes an answer on.
 *
 * @param {Order} order
 * @param {Response} answer
 * @param {ReadableStream<Uint8Array> | null} body of the answer
 */
export function passOn(order, answer, body) {
  /** @type {Record<string, string>} */
  const headers = {};
  for (const line of order.added) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon)] = line.slice(colon + 1);
  }
  const undone = UNDONE_ENCODINGS.has(answer.headers.get("content-encoding") ?? "");
  for (const name of fieldNames(order.pass)) {
    const value = answer.headers.get(name);
    if (value === null || (undone && (name === "content-encoding" || name === "content-length"))) continue;
    headers[name] = value;
  }
  return new Response(body, { status: answer.status, headers });
}

let lastList = "";
/** @type {string[]} */
let lastNames = [];

/** Takes a list of names apart, which is nearly always the same one. @param {string} list */
function fieldNames(list) {
  if (list !== lastList) {
    lastNames = list.split(",");
    lastList = list;
  }
  return lastNames;
}
