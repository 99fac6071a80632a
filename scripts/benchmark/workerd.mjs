// Runs one worker on workerd for the benchmark, reached directly and not through wrangler's development proxy, and says where
// it listens. Usage: node workerd.mjs plain|resident|stock, with the configuration as JSON in BENCH_CONFIG.

import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(join(root, "wasm/shim/package.json"));
const { Miniflare, convertV4MiniflareOptions } = require("miniflare");

const kind = process.argv[2];
const config = JSON.parse(process.env.BENCH_CONFIG);
const common = {
  name: "bench",
  compatibilityDate: "2026-11-01",
  unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
};
const grantway = {
  ...common,
  compatibilityFlags: ["enable_request_signal"],
  bindings: {
    GRANTWAY_SEALING_KEY: config.sealing_key,
    GRANTWAY_ADMIN_KEY: config.key,
    GRANTWAY_ALLOW_LOOPBACK: "true",
  },
  kvNamespaces: ["CONFIG", "TOKENS"],
};

// Paths are relative to folder; the first module is the worker.
const modulesOf = (folder, entry, others) => ({
  modulesRoot: folder,
  modules: [entry, ...others].map((path) => ({
    type: path.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
    path: join(folder, path),
  })),
});

const scratch = mkdtempSync(join(tmpdir(), "grantway-bench-"));

// What syumai/workers generates for a project, with its one addition that a module of both lifecycles needs
// (docs/host-abi.md, "Per-event lifecycle").
function stockShim() {
  const library = execFileSync("go", ["list", "-m", "-f", "{{.Dir}}", "github.com/syumai/workers"], { cwd: root, encoding: "utf8" }).trim();
  const assets = join(library, "cmd/workers-assets-gen/assets");
  const worker = readFileSync(join(assets, "common/worker.mjs"), "utf8");
  const addition = "grantway: new Proxy({}, { get: () => () => 0 }),\n    workers: {";
  if (!worker.includes("workers: {")) throw new Error("syumai's worker.mjs has changed");
  writeFileSync(join(scratch, "worker.mjs"), worker.replace("workers: {", addition));
  cpSync(join(assets, "runtime/cloudflare.mjs"), join(scratch, "runtime.mjs"));
  cpSync(join(assets, "wasm_exec_go.js"), join(scratch, "wasm_exec.js"));
  cpSync(join(root, config.module), join(scratch, "app.wasm"));
  return modulesOf(scratch, "worker.mjs", ["runtime.mjs", "wasm_exec.js", "app.wasm"]);
}

const resident = {
  ...grantway,
  ...modulesOf(root, "wasm/shim/worker.mjs", [
    ...globSync(["wasm/shim/*.mjs", "wasm/shim/operations/*.mjs"], { cwd: root }).filter(
      (path) => !path.endsWith("worker.mjs") && !path.endsWith("eslint.config.mjs"),
    ),
    "build/wasm_exec.js",
    "build/module.mjs",
    "build/app.wasm",
  ]),
  durableObjects: {
    DIRECTORY: { className: "Directory", useSQLite: true },
    MINTER: { className: "Minter", useSQLite: true },
  },
};

const workers = {
  plain: () => [
    {
      ...common,
      ...modulesOf(join(root, "scripts/benchmark"), "plain.mjs", []),
      bindings: {
        UPSTREAM: config.upstream,
        TOKEN_URL: config.token_url,
        CLIENT_ID: config.client_id,
        CLIENT_SECRET: config.client_secret,
        KEY: config.key,
      },
    },
  ],
  resident: () => [resident],
  // The stock shim has no Durable Objects of its own: it uses those of the resident worker beside it.
  stock: () => [
    {
      ...grantway,
      ...stockShim(),
      durableObjects: {
        DIRECTORY: { className: "Directory", scriptName: "objects" },
        MINTER: { className: "Minter", scriptName: "objects" },
      },
    },
    { ...resident, name: "objects", unsafeDirectSockets: [] },
  ],
};

const miniflare = new Miniflare(convertV4MiniflareOptions({ workers: workers[kind]() }));
await miniflare.ready;
console.log("READY " + (await miniflare.unsafeGetDirectURL("bench")).origin);
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, async () => {
    await miniflare.dispose();
    rmSync(scratch, { recursive: true, force: true });
    process.exit(0);
  });
}
