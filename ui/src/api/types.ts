import type { components } from "./schema.gen";

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

export type AuthType = Server["auth_type"];
export type Flow = NonNullable<Server["oauth2_flow"]>;
export type ClientAuth = NonNullable<Server["token_endpoint_auth_method"]>;

/** What POST and PUT take: any part of a server; absent keeps, null resets. */
export type ServerInput = { [Name in keyof Server]?: Server[Name] | null };
export type KeyInput = { [Name in keyof Key]?: Key[Name] | null };

export interface Version {
  version: string;
  module_sha256: string;
  host: string;
  go: string;
}
