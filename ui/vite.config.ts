import { fileURLToPath } from "node:url";

import react from "@vitejs/plugin-react";
import { runnerImport } from "vite";
import { defineConfig } from "vitest/config";

import type { Plugin } from "vite";

// Mantine writes its variables into a <style> element at run time, which the content security policy forbids. They are
// made into a style sheet when the UI is built.
function themeStyleSheet(): Plugin {
  const id = "virtual:theme.css";
  return {
    name: "theme-style-sheet",
    resolveId: (source) => (source === id ? "\0" + id : undefined),
    async load(resolved) {
      if (resolved !== "\0" + id) return undefined;
      const { module } = await runnerImport<typeof import("./src/app/themeStyleSheet")>("./src/app/themeStyleSheet.ts");
      return module.themeStyleSheet();
    },
  };
}

const gateway = process.env.GRANTWAY_URL ?? "http://127.0.0.1:8787";

export default defineConfig({
  base: "/ui/",
  plugins: [react(), themeStyleSheet()],
  define: { __UI_VERSION__: JSON.stringify(process.env.npm_package_version ?? "0.1.0") },
  resolve: {
    // rjsf's entry imports this package for its own tests; it compiles code at run time, which the policy forbids.
    alias: {
      "@rjsf/validator-ajv8": fileURLToPath(new URL("src/pages/server/playground/validator.ts", import.meta.url)),
    },
  },
  build: { target: "es2022", sourcemap: false, chunkSizeWarningLimit: 700 },
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/mcp", "/mcp-rest", "/version", "/openapi.json", "/healthz"].map((p) => [p, gateway]),
    ),
  },
  test: {
    environment: "jsdom",
    setupFiles: ["src/test/setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
    css: false,
    testTimeout: 60_000,
    maxWorkers: 2,
  },
});
