import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";

import { NotFound } from "../pages/NotFound";
import { RouteError } from "../pages/RouteError";
import { Shell } from "./Shell";

import type { QueryClient } from "@tanstack/react-query";

interface Context {
  client: QueryClient;
}

/** What the list of servers is narrowed to; in the address, so that it can be shared and gone back to. */
export interface ServersSearch {
  q?: string;
  filter?: string;
  sort?: string;
}

export type ServerTab = "tools" | "token" | "access" | "audit" | "settings";

export interface AuditSearch {
  q?: string;
  action?: string;
  outcome?: string;
}

type Search = Record<string, unknown>;

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

/** The value, if it is one of these. */
function one<T extends string>(value: unknown, ...choices: T[]): T | undefined {
  return choices.find((c) => c === value);
}

const root = createRootRouteWithContext<Context>()({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: RouteError,
});

const servers = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: (s: Search): ServersSearch => ({ q: text(s.q), filter: text(s.filter), sort: text(s.sort) }),
  component: lazyRouteComponent(() => import("../pages/servers/ServersPage"), "ServersPage"),
});

const newServer = createRoute({
  getParentRoute: () => root,
  path: "/servers/new",
  component: lazyRouteComponent(() => import("../pages/form/ServerFormPage"), "NewServerPage"),
});

const server = createRoute({
  getParentRoute: () => root,
  path: "/servers/$server",
  validateSearch: (s: Search): { tab?: ServerTab } => ({
    tab: one(s.tab, "tools", "token", "access", "audit", "settings"),
  }),
  component: lazyRouteComponent(() => import("../pages/server/ServerPage"), "ServerPage"),
});

const editServer = createRoute({
  getParentRoute: () => root,
  path: "/servers/$server/edit",
  component: lazyRouteComponent(() => import("../pages/form/ServerFormPage"), "EditServerPage"),
});

const keys = createRoute({
  getParentRoute: () => root,
  path: "/keys",
  // create: "new", or the id of the server that the new key is for.
  validateSearch: (s: Search): { create?: string } => ({ create: text(s.create) }),
  component: lazyRouteComponent(() => import("../pages/keys/KeysPage"), "KeysPage"),
});

const usage = createRoute({
  getParentRoute: () => root,
  path: "/usage",
  validateSearch: (s: Search): { range?: "day" | "week" | "month"; by?: "server" | "tool" | "key" } => ({
    range: one(s.range, "day", "week", "month"),
    by: one(s.by, "server", "tool", "key"),
  }),
  component: lazyRouteComponent(() => import("../pages/usage/UsagePage"), "UsagePage"),
});

const audit = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  validateSearch: (s: Search): AuditSearch => ({
    q: text(s.q),
    action: text(s.action),
    outcome: one(s.outcome, "ok", "denied", "failed"),
  }),
  component: lazyRouteComponent(() => import("../pages/audit/AuditPage"), "AuditPage"),
});

const transfer = createRoute({
  getParentRoute: () => root,
  path: "/transfer",
  component: lazyRouteComponent(() => import("../pages/transfer/TransferPage"), "TransferPage"),
});

const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  component: lazyRouteComponent(() => import("../pages/settings/SettingsPage"), "SettingsPage"),
});

const about = createRoute({
  getParentRoute: () => root,
  path: "/about",
  component: lazyRouteComponent(() => import("../pages/AboutPage"), "AboutPage"),
});

const routes = root.addChildren([
  servers,
  newServer,
  server,
  editServer,
  keys,
  usage,
  audit,
  transfer,
  settings,
  about,
]);

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
