// Names for people of the values of the API. Nothing else in the UI spells them out.

import type { Tone } from "../components/Tag";
import type { AuditRow, AuthType, ClientAuth, Flow, Server } from "../api/types";

export const authTypes: Record<AuthType, { label: string; about: string }> = {
  none: { label: "None", about: "The server is open; nothing is sent." },
  oauth2: { label: "OAuth 2", about: "An access token, by the flow chosen below." },
  bearer_token: { label: "Bearer token", about: "Authorization: Bearer …" },
  api_key: { label: "API key", about: "X-API-Key, or a header that you name." },
  basic: { label: "Basic", about: "Authorization: Basic …, made of user:password." },
  token: { label: "Token", about: "Authorization: token …" },
  authorization: { label: "Authorization header", about: "Authorization: … sent exactly as you enter it." },
};

export const flows: Record<Flow, { label: string; short: string; about: string }> = {
  client_credentials: {
    label: "Machine-to-Machine (M2M)",
    short: "M2M",
    about: "Server to server, no user. Grantway signs in with a client of its own.",
  },
  authorization_code: {
    label: "Interactive (PKCE)",
    short: "Interactive",
    about: "A person signs in, in the browser.",
  },
  jwt_bearer: {
    label: "Caller's JWT as assertion",
    short: "JWT bearer",
    about: "The caller's own JWT is presented as an assertion (RFC 7523).",
  },
  token_exchange: {
    label: "Token exchange",
    short: "Exchange",
    about: "The caller's own JWT is exchanged for a token of this server (RFC 8693).",
  },
};

export const clientAuths: Record<ClientAuth, { label: string; about: string }> = {
  client_secret_basic: { label: "Client secret in the header (Basic)", about: "The usual way." },
  client_secret_post: { label: "Client secret in the body (post)", about: "For servers that refuse Basic." },
  client_secret_jwt: { label: "JWT signed with the client secret", about: "The secret itself is never sent." },
  private_key_jwt: { label: "JWT signed with a private key", about: "The strongest: there is no shared secret." },
};

/** Kinds of keys and of signatures; one that is not listed is shown by its name in RFC 7518. */
export const keyAlgorithms: Record<string, string> = {
  ES256: "ES256 (P-256), short and widely understood",
  EdDSA: "EdDSA (Ed25519), for newer servers",
  RS256: "RS256 (RSA), understood everywhere",
  PS256: "PS256 (RSA), as FAPI asks for",
};

/** What the API calls secrets, for people. */
export const secretNames: Record<string, string> = {
  client_secret: "Client secret",
  client_secret_next: "Next secret",
  identity_client_secret: "Secret at the identity provider",
  client_private_key: "Private key",
  auth_value: "Value",
};

/** The short word that tells how a server is signed in to; M2M and Interactive are never the same. */
export function credentialTag(server: Pick<Server, "auth_type" | "oauth2_flow">): {
  label: string;
  tone: Tone;
  about: string;
} {
  if (server.auth_type === "none") return { label: "None", tone: "plain", about: authTypes.none.about };
  if (server.auth_type !== "oauth2") {
    return {
      label: "Static",
      tone: "plain",
      about: `${authTypes[server.auth_type].label}: ${authTypes[server.auth_type].about}`,
    };
  }
  const flow = server.oauth2_flow ?? "client_credentials";
  return {
    label: flows[flow].short,
    tone: flow === "client_credentials" ? "info" : "violet",
    about: flows[flow].about,
  };
}

/** Does the gateway hold one token for this server? */
export function hasOwnToken(server: Pick<Server, "auth_type" | "oauth2_flow">): boolean {
  return server.auth_type === "oauth2" && server.oauth2_flow === "client_credentials";
}

const causes: Record<string, string> = {
  miss: "First use: no token was stored",
  cron: "Scheduled refresh (keep warm)",
  early: "Refreshed early, before its end",
  refresh: "Refreshed by hand",
  purge: "After a purge",
  401: "The server refused the previous one (401)",
  test: "A test; the token was thrown away",
  connect: "A person signed in",
};

export const causeLabel = (cause: string | undefined): string =>
  cause ? (causes[cause] ?? cause.replaceAll("_", " ")) : "";

export const tiers: Record<string, string> = {
  l1: "in this instance's memory",
  l2: "in the shared store (KV)",
  minter: "with the minter",
  mint: "a new token would be fetched",
  none: "nowhere",
  record: "in the server record",
};

const actions: Record<string, string> = {
  "server.create": "Server added",
  "server.update": "Server changed",
  "server.delete": "Server deleted",
  "server.enable": "Server enabled",
  "server.disable": "Server disabled",
  "key.create": "Key created",
  "key.update": "Key changed",
  "key.revoke": "Key revoked",
  "key.rotate": "Key rotated",
  "settings.update": "Settings changed",
  "settings.reseal": "Secrets re-sealed",
  "settings.republish": "Copies rebuilt",
  "import.apply": "Configuration imported",
  "export.read": "Configuration exported",
  "export.sealed": "Exported with secrets",
  "connection.create": "Account connected",
  "connection.delete": "Account disconnected",
  "session.create": "Signed in",
  "session.delete": "Signed out",
  "token.mint": "Token fetched",
  "token.purge": "Token purged",
  "token.refresh": "Token refreshed",
  "call.denied": "Call denied",
  "audit.trim": "Old rows removed",
};

/** Who did something, by name where there is one. */
export const actorName = (actor: { id: string; name?: string }): string =>
  actor.name ?? (actor.id === "bootstrap" ? "bootstrap admin" : actor.id);

const written: Record<string, string> = { idp: "IdP", oauth: "OAuth", url: "URL", ms: "(ms)", seconds: "(seconds)" };

/** A name of the API as words: "life_seconds" as "Life (seconds)". */
export function inWords(name: string): string {
  const words = name.split("_").map((word) => written[word] ?? word);
  return words.join(" ").replace(/^./, (first) => first.toUpperCase());
}

/** Why something was refused or failed, for those rows of the audit log that say it. */
export function reasonOf(row: Pick<AuditRow, "outcome" | "detail">): string | undefined {
  if (row.outcome === "ok") return undefined;
  const detail = (row.detail ?? {}) as { message?: string; code?: string; tool?: string };
  const reason = detail.message ?? detail.code?.replaceAll("_", " ");
  return detail.tool && reason ? `${detail.tool}: ${reason}` : reason;
}

export const auditActions = actions;

/** What was done; a token that was not fetched is not called fetched. */
export const actionLabel = ({ action, outcome }: Pick<AuditRow, "action" | "outcome">): string =>
  action === "token.mint" && outcome !== "ok" ? "No token given" : (actions[action] ?? action);
