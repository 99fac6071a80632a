import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

test("wrangler would deploy it: the module, the UI, no test controls and no secret", (t) => {
  const out = mkdtempSync(join(tmpdir(), "grantway-deploy-"));
  t.after(() => rmSync(out, { recursive: true }));
  mkdirSync(join(root, "ui/dist"), { recursive: true });
  const wrangler = join(root, "wasm/shim/node_modules/wrangler/bin/wrangler.js");
  const log = execFileSync(
    process.execPath,
    [wrangler, "deploy", "--dry-run", "--outdir", out, "--config", join(root, "wrangler.toml")],
    {
      cwd: out,
      encoding: "utf8",
      env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" },
    },
  );
  for (const binding of ["DIRECTORY", "MINTER", "CONFIG", "TOKENS", "ASSETS"]) assert.ok(log.includes(`env.${binding}`), log);
  const script = readFileSync(join(out, "worker.js"), "utf8");
  assert.ok(!script.includes("__test"));
  assert.ok(readdirSync(out).some((name) => name.endsWith("app.wasm")));
  assert.doesNotMatch(readFileSync(join(root, "wrangler.toml"), "utf8"), /^\s*(GRANTWAY_|\[vars\])/m);
});
