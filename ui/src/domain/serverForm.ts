// Between a server as the API has it and the fields of the form. Only what belongs to the chosen authentication and
// flow is ever sent: a field that was filled in before a switch stays in the form and goes nowhere.

import { fieldMessage } from "./resolver";

import type { Schemas } from "../api/schemas";
import type { AuthType, ClientAuth, Flow, Server, ServerInput } from "../api/types";
import type { SchemaProblem } from "./jsonSchema";
import type { FieldMessage } from "./resolver";

export interface Pair {
  name: string;
  value: string;
}

export type KeySource = "keep" | "generate" | "paste";

export interface ServerForm {
  server_name: string;
  slug: string;
  alias: string;
  url: string;
  description: string;
  instructions: string;
  source_url: string;
  logo_url: string;
  enabled: boolean;
  auth_type: AuthType;
  oauth2_flow: Flow;
  client_id: string;
  token_endpoint_auth_method: ClientAuth;
  client_secret: string;
  client_secret_next: string;
  key_source: KeySource;
  client_private_key: string;
  client_private_key_id: string;
  client_private_key_alg: string;
  client_private_key_generate: string;
  token_url: string;
  issuer: string;
  authorization_url: string;
  registration_url: string;
  scopes: string[];
  audience: string;
  upstream_resource: string;
  assertion_audience: string;
  extra_token_params: Pair[];
  token_header_name: string;
  token_header_prefix: string;
  allow_scope_step_up: boolean;
  keep_warm: boolean;
  subject_token_type: string;
  identity_token_url: string;
  identity_client_id: string;
  identity_client_secret: string;
  auth_value: string;
  static_headers: Pair[];
  forward_headers: string[];
  groups: string[];
  allow_all_keys: boolean;
  timeout: string;
  max_concurrent_requests: string;
  list_cache_seconds: string;
  empty_prefix: boolean;
  default_cost: string;
}

const pairs = (record: Record<string, string> | undefined): Pair[] =>
  Object.entries(record ?? {}).map(([name, value]) => ({ name, value }));

/** The form's fields for a stored server, or for a new one. Secrets are always blank. */
export function formOf(server?: Server): ServerForm {
  return {
    server_name: server?.server_name ?? "",
    slug: server?.slug ?? "",
    alias: server?.alias ?? "",
    url: server?.url ?? "",
    description: server?.description ?? "",
    instructions: server?.instructions ?? "",
    source_url: server?.source_url ?? "",
    logo_url: server?.mcp_info?.logo_url ?? "",
    enabled: !server?.disabled,
    auth_type: server?.auth_type ?? "oauth2",
    oauth2_flow: server?.oauth2_flow ?? "client_credentials",
    client_id: server?.client_id ?? "",
    token_endpoint_auth_method: server?.token_endpoint_auth_method ?? "client_secret_basic",
    client_secret: "",
    client_secret_next: "",
    key_source: server?.client_private_key_id ? "keep" : "generate",
    client_private_key: "",
    client_private_key_id: "",
    client_private_key_alg: "",
    client_private_key_generate: "ES256",
    token_url: server?.token_url ?? "",
    issuer: server?.issuer ?? "",
    authorization_url: server?.authorization_url ?? "",
    registration_url: server?.registration_url ?? "",
    scopes: server?.scopes ?? [],
    audience: server?.audience ?? "",
    upstream_resource: server?.upstream_resource ?? "",
    assertion_audience: server?.assertion_audience ?? "",
    extra_token_params: pairs(server?.extra_token_params),
    token_header_name: server?.upstream_token_header?.name ?? "",
    token_header_prefix: server?.upstream_token_header?.prefix ?? "",
    allow_scope_step_up: server?.allow_scope_step_up ?? false,
    keep_warm: server?.keep_warm ?? false,
    subject_token_type: server?.subject_token_type ?? "",
    identity_token_url: server?.identity_token_url ?? "",
    identity_client_id: server?.identity_client_id ?? "",
    identity_client_secret: "",
    auth_value: "",
    static_headers: pairs(server?.static_headers),
    forward_headers: server?.forward_headers ?? [],
    groups: server?.mcp_access_groups ?? [],
    allow_all_keys: server?.allow_all_keys ?? false,
    timeout: server?.timeout ? String(server.timeout) : "",
    max_concurrent_requests: server?.max_concurrent_requests ? String(server.max_concurrent_requests) : "",
    list_cache_seconds: server?.list_cache_seconds ? String(server.list_cache_seconds) : "",
    empty_prefix: server?.empty_prefix ?? false,
    default_cost: server?.mcp_info?.mcp_server_cost_info?.default_cost_per_query
      ? String(server.mcp_info.mcp_server_cost_info.default_cost_per_query)
      : "",
  };
}

/** Which parts of the form belong to what was chosen. */
export function applicable(form: Pick<ServerForm, "auth_type" | "oauth2_flow" | "token_endpoint_auth_method">) {
  const oauth = form.auth_type === "oauth2";
  const interactive = oauth && form.oauth2_flow === "authorization_code";
  const privateKey = oauth && form.token_endpoint_auth_method === "private_key_jwt";
  return {
    oauth,
    interactive,
    m2m: oauth && form.oauth2_flow === "client_credentials",
    jwtBearer: oauth && form.oauth2_flow === "jwt_bearer",
    onBehalf: oauth && (form.oauth2_flow === "jwt_bearer" || form.oauth2_flow === "token_exchange"),
    privateKey,
    secret: oauth && !privateKey,
    assertion: oauth && (privateKey || form.token_endpoint_auth_method === "client_secret_jwt"),
    value: !oauth && form.auth_type !== "none",
    header: oauth || form.auth_type === "api_key",
  };
}

/** Would the stored secrets go somewhere else than before? The gateway then asks for them again. */
export function destinationChanged(form: ServerForm, stored: Server | undefined): boolean {
  return (
    stored !== undefined &&
    (form.url !== stored.url || form.token_url !== (stored.token_url ?? "") || form.issuer !== (stored.issuer ?? ""))
  );
}

/** The request body for what the form says. With a stored server, an emptied field is reset (null). */
export function inputOf(form: ServerForm, stored?: Server): ServerInput {
  const is = applicable(form);
  const input: Record<string, unknown> = {
    server_name: form.server_name.trim(),
    url: form.url.trim(),
    transport: "http",
    auth_type: form.auth_type,
    disabled: !form.enabled,
    allow_all_keys: form.allow_all_keys,
  };
  /** Sets a field; an empty one is left out, or reset if something is stored. */
  const put = (name: keyof Server, value: unknown, empty: boolean) => {
    if (!empty) input[name] = value;
    else if (stored && stored[name] !== undefined) input[name] = null;
  };
  const text = (name: keyof Server, value: string) => put(name, value.trim(), value.trim() === "");
  const list = (name: keyof Server, value: string[]) => put(name, value, value.length === 0);
  const map = (name: keyof Server, value: Pair[]) => {
    const entries = value.filter((p) => p.name.trim() !== "").map((p) => [p.name.trim(), p.value] as const);
    put(name, Object.fromEntries(entries), entries.length === 0);
  };
  const number = (name: keyof Server, value: string) => put(name, numberOf(value), value.trim() === "");

  const flag = (name: keyof Server, value: boolean) => put(name, value, !value);

  if (form.slug.trim() !== "") input.slug = form.slug.trim();
  text("description", form.description);
  text("instructions", form.instructions);
  text("alias", form.alias);
  text("source_url", form.source_url);
  flag("empty_prefix", form.empty_prefix);
  number("list_cache_seconds", form.list_cache_seconds);
  list("mcp_access_groups", form.groups);
  map("static_headers", form.static_headers);
  list("forward_headers", form.forward_headers);
  number("timeout", form.timeout);
  number("max_concurrent_requests", form.max_concurrent_requests);
  put(...info(form, stored));

  const credentials: Record<string, unknown> = {};
  if (is.oauth) {
    input.oauth2_flow = form.oauth2_flow;
    text("client_id", form.client_id);
    text("token_url", form.token_url);
    text("issuer", form.issuer);
    list("scopes", form.scopes);
    text("audience", form.audience);
    text("upstream_resource", form.upstream_resource);
    map("extra_token_params", form.extra_token_params);
    input.token_endpoint_auth_method = form.token_endpoint_auth_method;
    if (is.interactive) {
      text("authorization_url", form.authorization_url);
      text("registration_url", form.registration_url);
    } else {
      input.allow_scope_step_up = form.allow_scope_step_up;
    }
    if (is.m2m) input.keep_warm = form.keep_warm;
    if (is.onBehalf) text("subject_token_type", form.subject_token_type);
    if (is.jwtBearer) {
      text("identity_token_url", form.identity_token_url);
      text("identity_client_id", form.identity_client_id);
      if (form.identity_client_secret !== "") credentials.identity_client_secret = form.identity_client_secret;
    }
    if (is.assertion) text("assertion_audience", form.assertion_audience);
    if (is.secret && form.client_secret !== "") credentials.client_secret = form.client_secret;
    if (is.secret && form.client_secret_next !== "") credentials.client_secret_next = form.client_secret_next;
    if (is.privateKey) privateKey(form, credentials);
  }
  if (is.value && form.auth_value !== "") credentials.auth_value = form.auth_value;
  if (is.header) {
    const name = form.token_header_name.trim();
    // Only OAuth's fields show the prefix; what is stored for another kind stays.
    const prefix = is.oauth || stored?.auth_type === form.auth_type ? form.token_header_prefix : "";
    put("upstream_token_header", { name, ...(prefix ? { prefix } : {}) }, name === "");
  }
  if (Object.keys(credentials).length > 0) input.credentials = credentials;
  return input as ServerInput;
}

function privateKey(form: ServerForm, credentials: Record<string, unknown>) {
  if (form.key_source === "generate") credentials.client_private_key_generate = form.client_private_key_generate;
  if (form.key_source !== "paste" || form.client_private_key.trim() === "") return;
  credentials.client_private_key = form.client_private_key;
  if (form.client_private_key_id) credentials.client_private_key_id = form.client_private_key_id;
  if (form.client_private_key_alg) credentials.client_private_key_alg = form.client_private_key_alg;
}

/** mcp_info, where only the logo and the default price are the form's; the rest of it is kept. */
function info(form: ServerForm, stored?: Server): ["mcp_info", unknown, boolean] {
  const next: NonNullable<Server["mcp_info"]> = { ...stored?.mcp_info };
  if (form.logo_url.trim()) next.logo_url = form.logo_url.trim();
  else delete next.logo_url;
  const cost = { ...next.mcp_server_cost_info };
  if (form.default_cost.trim()) cost.default_cost_per_query = numberOf(form.default_cost) as number;
  else delete cost.default_cost_per_query;
  if (Object.keys(cost).length > 0) next.mcp_server_cost_info = cost;
  else delete next.mcp_server_cost_info;
  return ["mcp_info", next, Object.keys(next).length === 0];
}

/** A number as entered. What is none stays a text, and is told to be none by the schema. */
export function numberOf(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) ? value : text.trim();
}

/** What must be filled in, for what was chosen and what is stored. A schema cannot know of stored secrets. */
function missing(form: ServerForm, stored?: Server): FieldMessage<keyof ServerForm & string>[] {
  const is = applicable(form);
  const moved = destinationChanged(form, stored);
  const again = (name: string) => (stored?.secrets?.[name]?.set && moved ? " again" : "");
  const kept = (name: string) => stored?.secrets?.[name]?.set === true && !moved;
  const wanted: [keyof ServerForm & string, boolean, string][] = [
    ["server_name", true, "a name"],
    ["url", true, "the address of the MCP server"],
    ["client_id", is.oauth && !is.interactive, "the client ID"],
    [
      "client_secret",
      is.secret && !is.interactive && !kept("client_secret"),
      `the client secret${again("client_secret")}`,
    ],
    [
      "auth_value",
      is.value && !(kept("auth_value") && stored?.auth_type === form.auth_type),
      form.auth_type === "basic" ? "user and password" : `the value${again("auth_value")}`,
    ],
    ["identity_client_id", is.jwtBearer && form.identity_token_url.trim() !== "", "the client ID"],
    [
      "identity_client_secret",
      is.jwtBearer &&
        form.identity_token_url.trim() !== "" &&
        !(
          stored?.secrets?.identity_client_secret?.set && form.identity_token_url === (stored.identity_token_url ?? "")
        ),
      "the identity provider's client secret",
    ],
    ["client_private_key", is.privateKey && form.key_source === "paste", "the private key"],
  ];
  return wanted
    .filter(([name, needed]) => needed && String(form[name]).trim() === "")
    .map(([name, , what]) => ({ name, message: `Enter ${what}.` }));
}

/** Every problem of the form: what is missing, then what the record's JSON Schema says about the body to be sent. */
export function problemsOf(
  form: ServerForm,
  schemas: Schemas,
  stored?: Server,
): FieldMessage<keyof ServerForm & string>[] {
  const found = schemas.check("Server", inputOf(form, stored) as Record<string, unknown>);
  const placed = found.flatMap((p) => {
    const name = fieldOfPath(p.path.join("."));
    return name ? [{ name, message: messageOf(p) }] : [];
  });
  return [...missing(form, stored), ...placed];
}

/** In a field of several entries the message says which one is meant. */
function messageOf(problem: SchemaProblem): string {
  const [field, entry] = problem.path;
  if (entry && (field === "static_headers" || field === "extra_token_params")) return `${entry}: ${problem.message}`;
  return fieldMessage(problem).message;
}

/** The field of the form that a path of the API's answer belongs to; undefined if there is none. */
export function fieldOfPath(path: string): (keyof ServerForm & string) | undefined {
  const name = path.replace(/^credentials\./, "").split(/[.[]/)[0] ?? "";
  const renamed: Record<string, keyof ServerForm & string> = {
    upstream_token_header: "token_header_name",
    mcp_access_groups: "groups",
    disabled: "enabled",
  };
  if (path === "upstream_token_header.prefix") return "token_header_prefix";
  if (path === "mcp_info.logo_url") return "logo_url";
  if (path === "mcp_info.mcp_server_cost_info.default_cost_per_query") return "default_cost";
  if (renamed[name]) return renamed[name];
  return name in formOf() ? (name as keyof ServerForm & string) : undefined;
}
