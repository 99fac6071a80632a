// Tools of a server, and calls of them as an MCP client of the revision 2026-07-28. The gateway speaks the server's own
// revision to it.

import { queryOptions } from "@tanstack/react-query";

import { ApiError, query, request, send } from "./client";
import { mirrored, parameterHeaders } from "../domain/mirror";
import { readEvents } from "./eventStream";

import type { Tool } from "./types";

const listed = (id: string, every: boolean, signal: AbortSignal) =>
  request<{ tools: Tool[] }>(`/mcp-rest/tools/list${query({ server_id: id, include_disabled: every || undefined })}`, {
    signal,
  });

/** The tools that callers may use, as they see them. */
export const toolsQuery = (id: string) =>
  queryOptions({
    queryKey: ["tools", id],
    queryFn: async ({ signal }) => (await listed(id, false, signal)).tools ?? [],
    staleTime: 60_000,
    retry: false,
  });

/** Every tool that the server has, allowed or not, as the server describes it. For administrators. */
export const allToolsQuery = (id: string) =>
  queryOptions({
    queryKey: ["tools", id, "all"],
    queryFn: async ({ signal }) => (await listed(id, true, signal)).tools ?? [],
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
  title?: string;
  description?: string;
  resource?: ResourceContents;
}

export interface ResourceContents {
  uri?: string;
  mimeType?: string;
  text?: string;
  /** Base64. */
  blob?: string;
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

/** A line of the server's log, which it sends while it works. */
export interface LogMessage {
  level: string;
  logger?: string;
  data?: unknown;
}

/** What a server tells before it answers. */
export type Notification = { progress: Progress } | { log: LogMessage };

const REVISION = "2026-07-28";

/** The body of a request of that revision. */
export function requestBody(method: string, params: Record<string, unknown>) {
  return {
    jsonrpc: "2.0",
    id: 1,
    method,
    params: {
      ...params,
      _meta: {
        progressToken: 1,
        "io.modelcontextprotocol/logLevel": "info",
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { name: "grantway-ui", version: "0.1.0" },
      },
    },
  };
}

interface Message<Result> {
  id?: number | string;
  method?: string;
  params?: unknown;
  result?: Result;
  error?: { code: number; message: string; data?: unknown };
}

/** Calls a tool and tells what the server says meanwhile, as it arrives. */
export const callTool = (
  slug: string,
  tool: Tool,
  args: unknown,
  onNotification: (n: Notification) => void,
  signal: AbortSignal,
): Promise<ToolResult> =>
  ask<ToolResult>(slug, "tools/call", { name: tool.name, arguments: args }, tool.name, {
    headers: parameterHeaders(tool.inputSchema, args),
    onNotification,
    signal,
  });

/** Reads a resource, such as one that a tool's result links to. */
export const readResource = async (slug: string, uri: string): Promise<ResourceContents[]> =>
  (await ask<{ contents?: ResourceContents[] }>(slug, "resources/read", { uri }, uri)).contents ?? [];

interface Asking {
  headers?: Record<string, string>;
  onNotification?: (n: Notification) => void;
  signal?: AbortSignal;
}

/** name is what the request is about: the tool, or the resource's URI. */
async function ask<Result>(
  slug: string,
  method: string,
  params: Record<string, unknown>,
  name: string,
  { headers, onNotification, signal }: Asking = {},
): Promise<Result> {
  const response = await send(`/mcp/${encodeURIComponent(slug)}`, {
    method: "POST",
    body: requestBody(method, params),
    signal,
    headers: {
      Accept: "application/json, text/event-stream",
      "MCP-Protocol-Version": REVISION,
      "Mcp-Method": method,
      "Mcp-Name": mirrored(name),
      ...headers,
    },
  }).catch(asRpcError);
  const requestId = response.headers.get("X-Request-Id") ?? undefined;
  const settle = (message: Message<Result>): Result | undefined => {
    if (message.error) throw new ApiError(502, `mcp_${message.error.code}`, message.error.message, requestId);
    if (message.method === "notifications/progress") onNotification?.({ progress: message.params as Progress });
    if (message.method === "notifications/message") onNotification?.({ log: message.params as LogMessage });
    return message.result;
  };
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream") || !response.body) {
    const result = settle((await response.json()) as Message<Result>);
    if (result) return result;
  } else {
    for await (const event of readEvents(response.body)) {
      if (event.data === "") continue;
      const result = settle(JSON.parse(event.data) as Message<Result>);
      if (result) return result;
    }
  }
  throw new ApiError(502, "no_result", "The answer ended without a result.", requestId);
}

/** On /mcp a refusal is a JSON-RPC error; its message and data become those of the problem. */
function asRpcError(error: unknown): never {
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
