import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";

import { NotFound } from "../pages/NotFound";
import { RouteError } from "../pages/RouteError";
import { Shell } from "./Shell";

import type { QueryClient } from "@tanstack/react-query";

interface Context {
  client: QueryClient;
}

const root = createRootRouteWithContext<Context>()({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: RouteError,
});

/** What the list of servers is narrowed to; in the address, so that it can be shared and gone back to. */
export interface ServersSearch {
  q?: string;
  filter?: string;
  sort?: string;
}

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

const servers = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: (s: Record<string, unknown>): ServersSearch => ({
    q: text(s.q),
    filter: text(s.filter),
    sort: text(s.sort),
  }),
  component: lazyRouteComponent(() => import("../pages/servers/ServersPage"), "ServersPage"),
});

const routes = root.addChildren([servers]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: routes,
    basepath: "/ui",
    context: { client },
    defaultPreload: "intent",
    scrollRestoration: true,
    defaultErrorComponent: RouteError,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
