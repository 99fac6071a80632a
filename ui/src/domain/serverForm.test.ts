import { describe, expect, test } from "vitest";

import { schemas } from "../test/schemas";
import { server } from "../test/server";
import { destinationChanged, fieldOfPath, formOf, inputOf, problemsOf } from "./serverForm";

import type { Server } from "../api/types";
import type { ServerForm } from "./serverForm";

const filled: ServerForm = {
  ...formOf(),
  server_name: "Weather",
  url: "https://mcp.example/mcp",
  client_id: "id",
  client_secret: "s3cret",
  token_url: "https://idp.example/token",
  scopes: ["a", "b"],
  authorization_url: "https://idp.example/authorize",
  registration_url: "https://idp.example/register",
  auth_value: "static-value",
  subject_token_type: "urn:x",
  assertion_audience: "https://idp.example",
  keep_warm: true,
  token_header_name: "X-Token",
};

const stored: Server = { ...server, audience: "https://mcp.example", secrets: undefined };

describe("a switch of the flow sends no stale field", () => {
  const cases: [string, Partial<ServerForm>, string[], string[]][] = [
    [
      "M2M",
      {},
      ["client_id", "token_url", "keep_warm", "scopes"],
      ["authorization_url", "registration_url", "subject_token_type", "assertion_audience"],
    ],
    [
      "interactive",
      { oauth2_flow: "authorization_code" },
      ["authorization_url", "registration_url"],
      ["keep_warm", "allow_scope_step_up", "subject_token_type"],
    ],
    [
      "exchange",
      { oauth2_flow: "token_exchange" },
      ["subject_token_type", "allow_scope_step_up"],
      ["keep_warm", "authorization_url"],
    ],
    [
      "bearer",
      { auth_type: "bearer_token" },
      [],
      [
        "oauth2_flow",
        "client_id",
        "token_url",
        "issuer",
        "scopes",
        "keep_warm",
        "upstream_token_header",
        "token_endpoint_auth_method",
      ],
    ],
    ["api key", { auth_type: "api_key" }, ["upstream_token_header"], ["oauth2_flow", "client_id"]],
    ["none", { auth_type: "none" }, [], ["oauth2_flow", "client_id", "credentials", "upstream_token_header"]],
  ];
  test.each(cases)("%s", (_, change, present, absent) => {
    const input = inputOf({ ...filled, ...change });
    for (const name of present) expect(input).toHaveProperty(name);
    for (const name of absent) expect(input).not.toHaveProperty(name);
  });
});

test("only the secret of the chosen authentication is sent", () => {
  expect(inputOf(filled).credentials).toEqual({ client_secret: "s3cret" });
  expect(inputOf({ ...filled, auth_type: "bearer_token" }).credentials).toEqual({ auth_value: "static-value" });
  expect(inputOf({ ...filled, token_endpoint_auth_method: "private_key_jwt" }).credentials).toEqual({
    client_private_key_generate: "ES256",
  });
  expect(inputOf({ ...filled, client_secret: "" })).not.toHaveProperty("credentials");
});

test("the prefix before a token is sent only where its field is shown", () => {
  const form = { ...filled, token_header_name: "X-Key", token_header_prefix: "Token " };
  expect(inputOf(form).upstream_token_header).toEqual({ name: "X-Key", prefix: "Token " });
  expect(inputOf({ ...form, auth_type: "api_key" }).upstream_token_header).toEqual({ name: "X-Key" });
});

test("an emptied field is reset, an untouched one is not mentioned", () => {
  const form = formOf(stored);
  expect(inputOf({ ...form, audience: "" }, stored)).toMatchObject({ audience: null });
  expect(inputOf(form, stored)).not.toHaveProperty("description");
});

test("the secret is asked again when its destination changes", () => {
  const form = formOf(stored);
  expect(destinationChanged(form, stored)).toBe(false);
  expect(destinationChanged({ ...form, token_url: "https://other.example/token" }, stored)).toBe(true);
  expect(destinationChanged({ ...form, url: "https://other.example/" }, stored)).toBe(true);
  expect(destinationChanged(form, undefined)).toBe(false);
});

test("a server's messages find their fields", () => {
  expect(fieldOfPath("credentials.client_secret")).toBe("client_secret");
  expect(fieldOfPath("token_url")).toBe("token_url");
  expect(fieldOfPath("static_headers.X-A")).toBe("static_headers");
  expect(fieldOfPath("upstream_token_header.name")).toBe("token_header_name");
  expect(fieldOfPath("forward_headers[0]")).toBe("forward_headers");
  expect(fieldOfPath("something_new")).toBeUndefined();
});

describe("the record's schema speaks at the fields", () => {
  const cases: [string, Partial<ServerForm>, Record<string, RegExp>][] = [
    ["what is whole", {}, {}],
    ["a name of control characters", { server_name: "a\tb" }, { server_name: /one line/ }],
    ["a long name", { server_name: "x".repeat(65) }, { server_name: /At most 64 characters; these are 65/ }],
    ["a slug with capitals", { slug: "Weather" }, { slug: /Small letters/ }],
    ["a slug that is the gateway's own", { slug: "mcp" }, { slug: /mcp cannot be used/ }],
    ["no URL", { url: "" }, { url: /Enter the address/ }],
    ["half a URL", { token_url: "idp.example/token" }, { token_url: /whole URL/ }],
    ["a URL with a password", { url: "https://u:p@mcp.example/" }, { url: /without user, password/ }],
    ["a scope with a quotation mark", { scopes: ["a", 'b"'] }, { scopes: /Entry 2: A scope has no/ }],
    ["a header's name with a space", { forward_headers: ["X A"] }, { forward_headers: /Entry 1: A header's name/ }],
    [
      "a value of a static header in two lines",
      { static_headers: [{ name: "X-A", value: "a\nb" }] },
      { static_headers: /^X-A: Only one line/ },
    ],
    ["a timeout in words", { timeout: "long" }, { timeout: /Enter a number/ }],
    ["a timeout that is too long", { timeout: "601" }, { timeout: /from 0 to 600/ }],
    ["half a request", { max_concurrent_requests: "1.5" }, { max_concurrent_requests: /whole number/ }],
    ["a price below nothing", { default_cost: "-1" }, { default_cost: /from 0/ }],
    ["a logo that is no URL", { logo_url: "logo.png" }, { logo_url: /whole URL/ }],
    ["a resource that is neither", { upstream_resource: "self" }, { upstream_resource: /or the word auto/ }],
    ["a header for the token", { token_header_name: "X Token" }, { token_header_name: /header's name/ }],
    ["no client", { client_id: " ", client_secret: "" }, { client_id: /client ID/, client_secret: /client secret/ }],
    [
      "a pasted key that is not there",
      { token_endpoint_auth_method: "private_key_jwt", key_source: "paste" },
      { client_private_key: /private key/ },
    ],
    ["what the choice does not need", { auth_type: "none", client_id: "", token_url: "no" }, {}],
  ];
  test.each(cases)("%s", (_, change, expected) => {
    const found = problemsOf({ ...filled, ...change }, schemas);
    expect([...new Set(found.map((f) => f.name))].sort()).toEqual(Object.keys(expected).sort());
    for (const [name, message] of Object.entries(expected))
      expect(found.find((f) => f.name === name)?.message).toMatch(message);
  });

  test("a stored secret need not be entered, unless it would go elsewhere", () => {
    const kept: Server = { ...stored, secrets: { client_secret: { set: true, last_rotated: stored.created_at } } };
    expect(problemsOf(formOf(kept), schemas, kept)).toEqual([]);
    expect(problemsOf({ ...formOf(kept), token_url: "https://other.example/" }, schemas, kept)).toEqual([
      { name: "client_secret", message: "Enter the client secret again." },
    ]);
  });
});
