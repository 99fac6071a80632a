import type { Tone } from "../components/Tag";
import type { Key, Server } from "../api/types";

export const statusTone: Record<Key["status"], Tone> = { active: "good", disabled: "warn", expired: "bad" };

export const roleLabels: Record<Key["role"], string> = { admin: "Administrator", viewer: "Viewer", caller: "Caller" };

/** Why a key may use a server; undefined if it may not. */
export function grantOf(key: Key, server: Server): string | undefined {
  if (key.all_servers) return "every server";
  if (key.servers?.includes(server.server_id)) return "granted";
  const group = key.groups?.find((g) => server.mcp_access_groups?.includes(g));
  if (group) return `group ${group}`;
  if (server.allow_all_keys) return "open to every key";
  if (key.role === "admin") return "administrator";
  return undefined;
}
