// Runs one worker on workerd for the benchmark, reached directly and not through wrangler's development proxy, and says where
// it listens. Usage: node workerd.mjs plain|resident|stock, with the configuration as JSON in BENCH_CONFIG.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const root = new URL("../../", import.meta.url);
const require = createRequire(new URL("wasm/shim/package.json", root));
const { Miniflare, convertV4MiniflareOptions } = require("miniflare");

const kind = process.argv[2];
const config = JSON.parse(process.env.BENCH_CONFIG);
const common = {
  name: "bench",
  compatibilityDate: "2026-11-01",
  modules: true,
  unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
};

const workers = {
  plain: () => ({
    ...common,
    script: readFileSync(new URL("plain.mjs", import.meta.url), "utf8"),
    bindings: {
      UPSTREAM: config.upstream,
      TOKEN_URL: config.token_url,
      CLIENT_ID: config.client_id,
      CLIENT_SECRET: config.client_secret,
      KEY: config.key,
    },
  }),
};

const miniflare = new Miniflare(convertV4MiniflareOptions(workers[kind]()));
await miniflare.ready;
console.log("READY " + (await miniflare.unsafeGetDirectURL()).origin);
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, async () => {
    await miniflare.dispose();
    process.exit(0);
  });
}
