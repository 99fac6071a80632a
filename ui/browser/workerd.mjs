// The same module and UI on workerd, under wrangler, with wrangler.toml as it is deployed but for its paths.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { newSealingKey } from "./world.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const packages = join(root, "wasm/shim/node_modules");

/** wrangler bundles and starts workerd in this time. */
const START_MS = 300_000;
/** It ends in this time after SIGINT. */
const STOP_MS = 60_000;

export async function startWorkerd() {
  const folder = mkdtempSync(join(tmpdir(), "grantway-workerd-"));
  const adminKey = `gw_${randomBytes(24).toString("hex")}`;
  const sealingKey = newSealingKey();
  const variables = {
    GRANTWAY_ADMIN_KEY: adminKey,
    GRANTWAY_SEALING_KEY: sealingKey,
    GRANTWAY_ALLOW_LOOPBACK: "true",
  };
  const config = readFileSync(join(root, "wrangler.toml"), "utf8")
    .replace(/^main = .*$/m, `main = ${JSON.stringify(join(root, "wasm/shim/worker.mjs"))}`)
    .replace(/^directory = .*$/m, `directory = ${JSON.stringify(join(root, "ui/dist"))}`);
  const text = Object.entries(variables).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  writeFileSync(join(folder, "wrangler.toml"), `${config}\n[vars]\n${text.join("\n")}\n`, { mode: 0o600 });

  const process = spawn(
    join(packages, ".bin/node"),
    [
      join(packages, "wrangler/bin/wrangler.js"),
      ...["dev", "--local", "--config", join(folder, "wrangler.toml"), "--ip", "127.0.0.1", "--port", "0"],
      ...["--inspector-port", "0", "--persist-to", join(folder, "data"), "--show-interactive-dev-session=false"],
    ],
    {
      cwd: folder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...globalThis.process.env, WRANGLER_SEND_METRICS: "false", CI: "true" },
    },
  );
  const ended = new Promise((resolve) => process.once("exit", resolve));
  let output = "";
  const stop = async () => {
    globalThis.process.kill(-process.pid, "SIGINT");
    const timer = setTimeout(() => globalThis.process.kill(-process.pid, "SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(timer);
    rmSync(folder, { recursive: true, force: true });
  };
  const url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`wrangler did not start:\n${output}`)), START_MS);
    const read = (chunk) => {
      output += chunk;
      const ready = /Ready on (http:\/\/127\.0\.0\.1:\d+)/.exec(output);
      if (!ready) return;
      clearTimeout(timer);
      resolve(ready[1]);
    };
    process.stdout.on("data", read);
    process.stderr.on("data", read);
    void ended.then(() => reject(new Error(`wrangler ended:\n${output}`)));
  });
  return { url, adminKey, sealingKey, log: () => output, stop };
}
