// The official TypeScript client with one of its documented M2M providers and nothing else: lists and calls a tool.
//
//   node m2m.mjs secret|key URL ISSUER CREDENTIAL   CREDENTIAL: a client secret, or a private key in PEM

import { ClientCredentialsProvider, PrivateKeyJwtProvider } from "@modelcontextprotocol/sdk/client/auth-extensions.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [kind, url, expectedIssuer, credential] = process.argv.slice(2);
const authProvider =
  kind === "key"
    ? new PrivateKeyJwtProvider({ clientId: "key-agent", privateKey: credential, algorithm: "ES256", expectedIssuer })
    : new ClientCredentialsProvider({ clientId: "agent", clientSecret: credential, expectedIssuer });
const client = new Client({ name: "agent", version: "1.0.0" });
await client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider }));
const { tools } = await client.listTools();
if (!tools.length) throw new Error("no tools");
await client.close();
