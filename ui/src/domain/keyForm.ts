// Between an access key as the API has it and the fields of its form.

import { numberOf } from "./serverForm";

import type { Key, KeyInput } from "../api/types";

export interface KeyForm {
  name: string;
  owner: string;
  role: Key["role"];
  /** Days from now; "never", or "keep" as it is. */
  life: string;
  all_servers: boolean;
  servers: string[];
  groups: string[];
  /** The only tools of a server that the key may call; no entry: all that the server allows. */
  tools: Record<string, string[]>;
  requests_per_minute: string;
  disabled: boolean;
}

const DAY = 86_400_000;

export const keyForm = (stored?: Key, server?: string): KeyForm => ({
  name: stored?.name ?? "",
  owner: stored?.owner ?? "",
  role: stored?.role ?? "caller",
  life: stored ? "keep" : "90",
  all_servers: stored?.all_servers ?? false,
  servers: stored?.servers ?? (server ? [server] : []),
  groups: stored?.groups ?? [],
  tools: stored?.tools ?? {},
  requests_per_minute: stored?.requests_per_minute ? String(stored.requests_per_minute) : "",
  disabled: stored?.disabled ?? false,
});

export function keyInput(form: KeyForm, stored?: Key, now = Date.now()): KeyInput {
  const all = form.role !== "admin" && form.all_servers;
  const granted = all || form.role === "admin" ? [] : form.servers;
  const input: KeyInput = {
    name: form.name.trim(),
    role: form.role,
    disabled: form.disabled,
    all_servers: all,
    servers: granted,
    groups: all || form.role === "admin" ? [] : form.groups,
    // A list for a server that is no longer granted would come back with its grant.
    tools: Object.fromEntries(Object.entries(form.tools).filter(([id]) => granted.includes(id))),
  };
  if (form.owner.trim() || stored?.owner) input.owner = form.owner.trim() || null;
  if (form.life === "never") input.expires_at = null;
  else if (form.life !== "keep") input.expires_at = new Date(now + Number(form.life) * DAY).toISOString();
  const rate = form.requests_per_minute.trim();
  if (rate !== "" || stored) input.requests_per_minute = rate === "" ? null : (numberOf(rate) as number);
  return input;
}
