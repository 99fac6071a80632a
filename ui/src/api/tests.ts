// The explicit tests of a server, saved or not. None of them reads or writes what serves calls.

import { ApiError, request } from "./client";
import { healthOf } from "./health";

import type { Health } from "./health";
import type { Discovery, TokenTest } from "./tokens";
import type { ServerInput } from "./types";

/** Fetches a token for what the form says and throws it away. A refusal is an outcome, not an error. */
export async function testToken(body: ServerInput): Promise<TokenTest> {
  try {
    return await request<TokenTest>("/mcp-rest/test/token", { method: "POST", body });
  } catch (error) {
    const outcome = error instanceof ApiError ? (error.body as Partial<TokenTest> | undefined) : undefined;
    if (outcome?.stage && outcome.message) return outcome as TokenTest;
    throw error;
  }
}

export interface ConnectionTest extends Health {
  toolNames: string[];
}

/** Connects to the MCP server as the form says and lists its tools. */
export async function testConnection(body: ServerInput): Promise<ConnectionTest> {
  const read = (raw: Record<string, unknown>): ConnectionTest => {
    const tools = Array.isArray(raw.tools) ? (raw.tools as { name?: string }[]) : [];
    return {
      ...healthOf(raw),
      toolNames: tools.map((t) => (typeof t === "string" ? t : (t.name ?? ""))).filter(Boolean),
    };
  };
  try {
    return read(await request<Record<string, unknown>>("/mcp-rest/test/tools/list", { method: "POST", body }));
  } catch (error) {
    const outcome = error instanceof ApiError ? (error.body as Record<string, unknown> | undefined) : undefined;
    if (outcome && Array.isArray(outcome.steps)) return { ...read(outcome), status: "unhealthy" };
    throw error;
  }
}

/** Reads the server's authorization metadata (RFC 9728, RFC 8414). Nothing secret is sent. */
export const discover = (url: string) =>
  request<Discovery>("/mcp-rest/test/discovery", { method: "POST", body: { url } });
