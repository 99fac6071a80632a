import { MAX_ERROR_TEXT } from "./limits.mjs";

/**
 * Why an operation failed, in the terms of docs/host-abi.md.
 *
 * @typedef {"canceled" | "timeout" | "gone" | "unsupported" | "notfound" | "conflict" | "limit" | "invalid" | "net" |
 *   "internal"} ErrorCode
 */

export class HostError extends Error {
  /** @param {ErrorCode} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * The meta of a failed call: "code\nmessage". The text of an error that is not a HostError comes from the runtime; it may name a
 * host, so the guest keeps it out of its answers.
 *
 * @param {unknown} error
 * @param {ErrorCode} fallback the code of any other error
 */
export function errorMeta(error, fallback) {
  if (error instanceof HostError) return `${error.code}\n${error.message}`;
  const text = error instanceof Error ? error.message : String(error);
  return `${fallback}\n${text.replace(/\s+/g, " ").slice(0, MAX_ERROR_TEXT)}`;
}
