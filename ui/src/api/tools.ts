// Tools of a server, and calls of them as an MCP client of the revision 2026-07-28. The gateway speaks the server's own
// revision to it.

import { queryOptions } from "@tanstack/react-query";

import { ApiError, query, request, send } from "./client";
import { readEvents } from "./eventStream";

import type { Tool } from "./types";

/** The tools that callers may use, as they see them. */
export const toolsQuery = (id: string) =>
  queryOptions({
    queryKey: ["tools", id],
    queryFn: async ({ signal }) =>
      (await request<{ tools: Tool[] }>(`/mcp-rest/tools/list${query({ server_id: id })}`, { signal })).tools ?? [],
    staleTime: 60_000,
    retry: false,
  });

/** Every tool that the server has, allowed or not, under its own name. */
export const allToolsQuery = (id: string) =>
  queryOptions({
    queryKey: ["tools", id, "all"],
    queryFn: async ({ signal }) =>
      (
        await request<{ tools: Tool[] }>("/mcp-rest/test/tools/list", {
          method: "POST",
          body: { server_id: id },
          signal,
        })
      ).tools ?? [],
    staleTime: 60_000,
    retry: false,
  });

export interface Content {
  type: "text" | "image" | "audio" | "resource" | "resource_link" | string;
  text?: string;
  data?: string;
  mimeType?: string;
  uri?: string;
  name?: string;
  description?: string;
  resource?: { uri?: string; mimeType?: string; text?: string; blob?: string };
}

export interface ToolResult {
  content?: Content[];
  structuredContent?: unknown;
  isError?: boolean;
}

export interface Progress {
  progress: number;
  total?: number;
  message?: string;
}

const REVISION = "2026-07-28";

/** The body of a tools/call of that revision. */
export function callBody(tool: string, args: unknown) {
  return {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: {
      name: tool,
      arguments: args,
      _meta: {
        progressToken: 1,
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { name: "grantway-ui", version: "0.1.0" },
      },
    },
  };
}

interface Message {
  id?: number | string;
  method?: string;
  params?: Progress & Record<string, unknown>;
  result?: ToolResult;
  error?: { code: number; message: string; data?: unknown };
}

/** Calls a tool and tells its progress as it arrives. */
export async function callTool(
  slug: string,
  tool: string,
  args: unknown,
  onProgress: (p: Progress) => void,
  signal: AbortSignal,
): Promise<ToolResult> {
  const response = await send(`/mcp/${encodeURIComponent(slug)}`, {
    method: "POST",
    body: callBody(tool, args),
    signal,
    headers: {
      Accept: "application/json, text/event-stream",
      "MCP-Protocol-Version": REVISION,
      "Mcp-Method": "tools/call",
      "Mcp-Name": tool,
    },
  }).catch(asToolError);
  const requestId = response.headers.get("X-Request-Id") ?? undefined;
  const settle = (message: Message): ToolResult | undefined => {
    if (message.error) throw new ApiError(502, `mcp_${message.error.code}`, message.error.message, requestId);
    if (message.method === "notifications/progress" && message.params) onProgress(message.params);
    return message.result;
  };
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream") || !response.body) {
    const result = settle((await response.json()) as Message);
    if (result) return result;
  } else {
    for await (const event of readEvents(response.body)) {
      if (event.data === "") continue;
      const result = settle(JSON.parse(event.data) as Message);
      if (result) return result;
    }
  }
  throw new ApiError(502, "no_result", "The answer ended without a result.", requestId);
}

/** On /mcp a refusal is a JSON-RPC error; its message and data become those of the problem. */
function asToolError(error: unknown): never {
  if (error instanceof ApiError) {
    const rpc = (
      error.body as { error?: { message?: string; data?: { code?: string; request_id?: string } } } | undefined
    )?.error;
    if (rpc?.message)
      throw new ApiError(
        error.status,
        rpc.data?.code ?? String(error.code),
        rpc.message,
        rpc.data?.request_id ?? error.requestId,
        [],
        error.body,
      );
  }
  throw error;
}
