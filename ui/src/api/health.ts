import { queryOptions } from "@tanstack/react-query";

import { query, request } from "./client";

export interface CheckStep {
  name: string;
  ok: boolean;
  took_ms?: number;
  code?: string;
  message?: string;
  skipped?: boolean;
}

export interface Health {
  server_id: string;
  status: "healthy" | "unhealthy" | "unknown";
  checked_at?: string;
  took_ms?: number;
  code?: string;
  message?: string;
  era?: string;
  protocol_version?: string;
  tools?: number;
  steps: CheckStep[];
}

type Raw = Record<string, unknown>;

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
const count = (value: unknown): number | undefined => {
  if (typeof value === "number") return value;
  return Array.isArray(value) ? value.length : undefined;
};

function stepOf(raw: Raw): CheckStep {
  const status = text(raw.status);
  return {
    name: text(raw.name) ?? text(raw.step) ?? "step",
    ok: typeof raw.ok === "boolean" ? raw.ok : status === "ok" || status === "done",
    skipped: status === "skipped",
    took_ms: count(raw.took_ms ?? raw.latency_ms ?? raw.ms),
    code: text(raw.code),
    message: text(raw.message),
  };
}

/** Reads a health or connection result of the gateway. */
export function healthOf(raw: Raw): Health {
  const status = text(raw.status);
  const error = raw.error as Raw | null | undefined;
  const ok = typeof raw.ok === "boolean" ? raw.ok : status === "healthy" || status === "ok";
  return {
    server_id: text(raw.server_id) ?? "",
    status: status === "unknown" || status === "disabled" ? "unknown" : ok ? "healthy" : "unhealthy",
    checked_at: text(raw.checked_at) ?? text(raw.last_health_check) ?? text(raw.time),
    took_ms: count(raw.took_ms ?? raw.latency_ms),
    code: text(raw.code) ?? text(error?.code),
    message: text(raw.message) ?? text(error?.message) ?? text(raw.health_check_error),
    era: text(raw.era),
    protocol_version: text(raw.protocol_version),
    tools: count(raw.tool_count ?? raw.tools),
    steps: Array.isArray(raw.steps) ? raw.steps.map((s) => stepOf(s as Raw)) : [],
  };
}

async function health(path: string, signal?: AbortSignal): Promise<Health[]> {
  const answer = await request<Raw | Raw[]>(path, { signal });
  const rows = Array.isArray(answer) ? answer : ((answer.data ?? answer.servers ?? []) as Raw[]);
  return rows.map(healthOf);
}

/** Health of every server, as checked now. Each check costs a call to each server, so it is not repeated often. */
export const healthQuery = queryOptions({
  queryKey: ["health"],
  queryFn: async ({ signal }) => new Map((await health("/v1/mcp/server/health", signal)).map((h) => [h.server_id, h])),
  staleTime: 60_000,
  refetchInterval: 120_000,
  retry: false,
});

/** Checks one server now. */
export async function checkHealth(id: string): Promise<Health | undefined> {
  return (await health(`/v1/mcp/server/health${query({ server_ids: id })}`))[0];
}
