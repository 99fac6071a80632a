import type { components, paths } from "./schema.gen";

type Schemas = components["schemas"];

export type Server = Schemas["Server"];
export type ServerList = Schemas["ServerList"];
export type BulkRequest = Schemas["BulkRequest"];
export type BulkResult = Schemas["BulkResult"];
export type Key = Schemas["Key"];
export type KeyList = Schemas["KeyList"];
export type Session = Schemas["Session"];
export type AuditRow = Schemas["AuditRow"];
export type AuditList = Schemas["AuditList"];
export type AuditVerdict = Schemas["AuditVerdict"];
export type Usage = Schemas["Usage"];
export type Sparkline = Schemas["Sparkline"];
export type Settings = Schemas["Settings"];
export type Reseal = Schemas["Reseal"];
export type ImportResult = Schemas["ImportResult"];
export type Version = Schemas["Version"];
export type Tool = Schemas["Tool"];

/** What a check of a server found, step by step. */
export type Health = Schemas["HealthReport"];
export type CheckStep = Health["steps"][number];

/** What may be known of a server's token; no byte of it. */
export type TokenStatus = Schemas["TokenStatus"];
export type TokenTest = Schemas["TokenTest"];
export type Explanation = Schemas["TokenExplanation"];
/** What a server and its authorization server publish about themselves. */
export type Discovery = Schemas["Discovery"];

/** A person's sign-in at an interactive server, without a byte of its tokens. */
export type Connection = Schemas["Connection"];
export type Connections = paths["/v1/connections"]["get"]["responses"][200]["content"]["application/json"];
export type Authorization =
  paths["/v1/mcp/server/{id}/connect"]["post"]["responses"][200]["content"]["application/json"];

export type Issuers = Schemas["Issuers"];
export type ClaimGrant = Schemas["ClaimGrant"];
export type SignInProvider = Schemas["SignInProvider"];
export type SignInStatus = paths["/signin/status"]["get"]["responses"][200]["content"]["application/json"];
export type Republished = Schemas["Republished"];
export type Purged = paths["/v1/mcp/server/{id}/token"]["delete"]["responses"][200]["content"]["application/json"];

export type AuthType = Server["auth_type"];
export type Flow = NonNullable<Server["oauth2_flow"]>;
export type ClientAuth = NonNullable<Server["token_endpoint_auth_method"]>;

/** What POST and PUT take: any part of a server; absent keeps, null resets. */
export type ServerInput = { [Name in keyof Server]?: Server[Name] | null };
export type KeyInput = { [Name in keyof Key]?: Key[Name] | null };
