// Forms of what settles who a token's bearer is: an issuer of access tokens, or the provider at which people sign in.

import type { ClaimGrant, Issuers, SignInProvider } from "../api/types";

export type Issuer = Issuers["jwt_issuers"][number];

export interface GrantForm {
  claim: string;
  value: string;
  role: string;
  all_servers: boolean;
  servers: string[];
  groups: string[];
}

export const emptyGrant = (role = "caller"): GrantForm => ({
  claim: "",
  value: "",
  role,
  all_servers: false,
  servers: [],
  groups: [],
});

const grantForm = (g: ClaimGrant): GrantForm => ({
  ...emptyGrant(g.role),
  claim: g.claim ?? "",
  value: g.value ?? "",
  all_servers: g.all_servers ?? false,
  servers: g.servers ?? [],
  groups: g.groups ?? [],
});

/** Only what is said: a blank stays out, so that two records that mean the same are the same. */
function said<T extends object>(record: T): T {
  const empty = (value: unknown) => value === "" || value === false || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(record).filter(([, value]) => !empty(value))) as T;
}

const grantOf = (g: GrantForm): ClaimGrant =>
  said({
    claim: g.claim.trim(),
    value: g.value.trim(),
    role: g.role as ClaimGrant["role"],
    all_servers: g.all_servers,
    servers: g.all_servers ? [] : g.servers,
    groups: g.all_servers ? [] : g.groups,
  });

export interface IssuerForm {
  issuer: string;
  jwks_url: string;
  audiences: string[];
  algorithms: string[];
  scopes_supported: string[];
  name_claim: string;
  cloudflare_access: boolean;
  grants: GrantForm[];
}

export const issuerForm = (stored?: Issuer): IssuerForm => ({
  issuer: stored?.issuer ?? "",
  jwks_url: stored?.jwks_url ?? "",
  audiences: stored?.audiences ?? [],
  algorithms: stored?.algorithms ?? [],
  scopes_supported: stored?.scopes_supported ?? [],
  name_claim: stored?.name_claim ?? "",
  cloudflare_access: stored?.cloudflare_access ?? false,
  grants: stored ? stored.grants.map(grantForm) : [emptyGrant()],
});

export const issuerOf = (form: IssuerForm): Issuer => ({
  ...said({
    ...form,
    jwks_url: form.jwks_url.trim(),
    name_claim: form.name_claim.trim(),
    algorithms: form.algorithms as Issuer["algorithms"],
  }),
  issuer: form.issuer.trim(),
  grants: form.grants.map(grantOf),
});

export interface SignInForm {
  issuer: string;
  client_id: string;
  client_secret: string;
  scopes: string[];
  name_claim: string;
  grants: GrantForm[];
}

export const signInForm = (stored: SignInProvider): SignInForm => ({
  issuer: stored.issuer,
  client_id: stored.client_id ?? "",
  client_secret: "",
  scopes: stored.scopes ?? [],
  name_claim: stored.name_claim ?? "",
  grants: stored.issuer ? (stored.grants ?? []).map(grantForm) : [emptyGrant("admin")],
});

export const signInOf = (form: SignInForm): SignInProvider => ({
  ...said({ ...form, client_id: form.client_id.trim(), name_claim: form.name_claim.trim() }),
  issuer: form.issuer.trim(),
  grants: form.grants.map(grantOf),
});

/** Whom a grant means, in words: "scope is mcp:call". */
export const whom = (g: ClaimGrant): string => (g.claim ? `${g.claim} is ${g.value ?? ""}` : "every token");
