import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import { render } from "@testing-library/react";
import { vi } from "vitest";

import { makeQueryClient, Providers } from "../app/Providers";

import type { ReactNode } from "react";

export interface Seen {
  method: string;
  path: string;
  body: unknown;
  headers: Record<string, string>;
}

export interface Answer {
  status?: number;
  body?: unknown;
}

/** Answers requests by "METHOD /path" (query left out), and keeps what was sent. */
export function answer(answers: Record<string, Answer | ((seen: Seen) => Answer)>): Seen[] {
  const seen: Seen[] = [];
  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const method = init.method ?? "GET";
    const path = input;
    const one: Seen = {
      method,
      path,
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
      headers: init.headers as Record<string, string>,
    };
    seen.push(one);
    const found = answers[`${method} ${path}`] ?? answers[`${method} ${path.split("?")[0]}`];
    const reply = typeof found === "function" ? found(one) : found;
    if (!reply)
      return Response.json(
        { error: { code: "not_found", message: `No answer for ${method} ${path}` } },
        { status: 404 },
      );
    if (reply.status === 204) return new Response(null, { status: 204 });
    return Response.json(reply.body ?? {}, { status: reply.status ?? 200 });
  });
  return seen;
}

export function renderPage(page: ReactNode) {
  const client = makeQueryClient();
  client.setDefaultOptions({ queries: { retry: false } });
  return { client, ...render(<Providers client={client}>{page}</Providers>) };
}

/** A page with a router around it, for what asks before it is left. */
export function renderRouted(page: ReactNode) {
  const root = createRootRoute({ component: () => page });
  const router = createRouter({ routeTree: root, history: createMemoryHistory() });
  return renderPage(<RouterProvider router={router as never} />);
}
