import { ApiError, query, request, send } from "./client";

import type { ImportResult } from "./types";

export interface ImportOptions {
  format: "auto" | "grantway" | "litellm" | "mcpservers";
  on_conflict: "update" | "skip" | "fail";
}

/** Imports a file, or says what an import would do. Problems of the file are an outcome, not an error. */
export async function importConfiguration(
  text: string,
  environment: Record<string, string>,
  options: ImportOptions,
  dryRun: boolean,
): Promise<ImportResult> {
  const body = { document: text, environment };
  try {
    return await request<ImportResult>(`/v1/import${query({ ...options, dry_run: dryRun })}`, {
      method: "POST",
      body,
    });
  } catch (error) {
    const outcome = error instanceof ApiError ? (error.body as ImportResult | undefined) : undefined;
    if (outcome?.changes && outcome.problems) return outcome;
    throw error;
  }
}

/** Fetches an export and hands it to the browser as a download. */
export async function download(path: string, name: string, body?: unknown): Promise<void> {
  const response = await send(
    path,
    body === undefined ? { headers: { Accept: "*/*" } } : { method: "POST", body, headers: { Accept: "*/*" } },
  );
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
