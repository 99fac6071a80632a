// The official TypeScript client with an OAuth provider for a person: it knows the URL of the server and nothing else. It writes
// the address that the person's browser must open as one line, reads the one that the browser comes back to, and lists tools.
//
//   node code.mjs URL REDIRECT_URI

import { createInterface } from "node:readline/promises";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, redirectUrl] = process.argv.slice(2);
const kept = {};
const authProvider = {
  redirectUrl,
  clientMetadata: { client_name: "Editor", redirect_uris: [redirectUrl], grant_types: ["authorization_code", "refresh_token"], token_endpoint_auth_method: "none" },
  state: () => "the-state",
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  codeVerifier: () => kept.verifier,
  redirectToAuthorization: (to) => console.log(to.href),
};
const connect = async () => {
  const client = new Client({ name: "editor", version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  try {
    await client.connect(transport);
    return { client, transport };
  } catch (error) {
    if (error instanceof UnauthorizedError) return { transport };
    throw error;
  }
};
const lines = createInterface({ input: process.stdin });
const first = await connect();
if (first.client) throw new Error("connected without authorization");
const back = new URL((await lines[Symbol.asyncIterator]().next()).value);
if (back.searchParams.get("state") !== "the-state") throw new Error("the state is another one");
await first.transport.finishAuth(back.searchParams.get("code"));
const { client } = await connect();
const { tools } = await client.listTools();
if (!tools.length) throw new Error("no tools");
await client.close();
lines.close();
