// The explicit tests of a server, saved or not. None of them reads or writes what serves calls.

import { ApiError, request } from "./client";

import type { Discovery, Health, ServerInput, TokenTest } from "./types";

/** A test whose refusal is an outcome as well: the body says so, whatever the status. */
async function outcomeOf<T>(path: string, body: ServerInput, isOutcome: (body: Partial<T>) => boolean): Promise<T> {
  try {
    return await request<T>(path, { method: "POST", body });
  } catch (error) {
    const found = error instanceof ApiError ? (error.body as Partial<T> | undefined) : undefined;
    if (found && isOutcome(found)) return found as T;
    throw error;
  }
}

/** Fetches a token for what the form says and throws it away. */
export const testToken = (body: ServerInput) =>
  outcomeOf<TokenTest>("/mcp-rest/test/token", body, (b) => b.stage !== undefined && b.message !== undefined);

/** Connects to the MCP server as the form says and lists its tools. */
export const testConnection = (body: ServerInput) =>
  outcomeOf<Health>("/mcp-rest/test/tools/list", body, (b) => Array.isArray(b.steps));

/** Reads the server's authorization metadata (RFC 9728, RFC 8414). Nothing secret is sent. */
export const discover = (url: string) =>
  request<Discovery>("/mcp-rest/test/discovery", { method: "POST", body: { url } });
