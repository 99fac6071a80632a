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
  actor?: string;
  outcome?: string;
  /** From this time on, and before this one; RFC 3339. */
  since?: string;
  until?: string;
}

/** A period of the usage: one that ends now, or from one day to another (both included, as YYYY-MM-DD). */
export interface UsageSearch {
  range?: "day" | "week" | "month" | "own";
  from?: string;
  to?: string;
  by?: "server" | "tool" | "key";
}

type Search = Record<string, unknown>;

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

/** A time or day, if it can be read. */
const time = (value: unknown): string | undefined =>
  typeof value === "string" && !Number.isNaN(Date.parse(value)) ? value : undefined;

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

const connections = createRoute({
  getParentRoute: () => root,
  path: "/connections",
  component: lazyRouteComponent(() => import("../pages/connections/ConnectionsPage"), "ConnectionsPage"),
});

const connected = createRoute({
  getParentRoute: () => root,
  path: "/connected",
  component: lazyRouteComponent(() => import("../pages/connections/ConnectedPage"), "ConnectedPage"),
});

const usage = createRoute({
  getParentRoute: () => root,
  path: "/usage",
  validateSearch: (s: Search): UsageSearch => ({
    range: one(s.range, "day", "week", "month", "own"),
    from: time(s.from),
    to: time(s.to),
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
    actor: text(s.actor),
    since: time(s.since),
    until: time(s.until),
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
  connections,
  connected,
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
