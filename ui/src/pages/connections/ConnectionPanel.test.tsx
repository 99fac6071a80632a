import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test, vi } from "vitest";

import { SessionContext } from "../../app/session";
import { answer, renderPage } from "../../test/render";
import { ConnectionPanel } from "./ConnectionPanel";
import { CHANNEL } from "./useAuthorization";

import type { Connection, Session } from "../../api/types";

const none: Connection = { connected: false, shared: false, connected_at: null, expires_at: null, renewable: false };
const connected: Connection = {
  ...none,
  connected: true,
  account: "alice@example.com",
  connected_at: new Date().toISOString(),
  expires_at: new Date(Date.now() + 3_600_000).toISOString(),
  renewable: true,
};
const server = { server_id: "1", server_name: "Calendar" };
const url = "https://idp.example/authorize?x=1";

function show(role: string, shared: boolean) {
  const session = { principal: { id: "p", name: "P", role } } as Session;
  renderPage(
    <SessionContext value={session}>
      <ConnectionPanel server={server} shared={shared} returnTo="/ui/connections" level={2} />
    </SessionContext>,
  );
}

const assign = vi.fn();
beforeEach(() => {
  assign.mockReset();
  vi.stubGlobal("location", { ...window.location, assign });
});

test("who is connected, until when", async () => {
  answer({ "GET /v1/mcp/server/1/connection": { body: connected } });
  show("viewer", false);
  expect(await screen.findByText("alice@example.com")).toBeInTheDocument();
  expect(screen.getByText(/expires/).textContent).toMatch(
    /Connected as alice@example.com just now, expires in .*, renewed/,
  );
  expect(screen.getByRole("button", { name: "Disconnect…" })).toBeInTheDocument();
});

test("a sign-in goes on in a window of its own, and its end is noticed", async () => {
  const popup = { location: { replace: vi.fn() }, close: vi.fn() };
  vi.spyOn(window, "open").mockReturnValue(popup as unknown as Window);
  let status = none;
  const calls = answer({
    "GET /v1/mcp/server/1/connection": () => ({ body: status }),
    "POST /v1/mcp/server/1/connect": { body: { authorization_url: url, expires_in: 300 } },
  });
  show("admin", true);
  await userEvent.click(await screen.findByRole("button", { name: "Authorize & fetch token" }));
  expect(await screen.findByText(/Waiting for the authorization/)).toBeInTheDocument();
  expect(popup.location.replace).toHaveBeenCalledWith(url);
  expect(calls.find((c) => c.method === "POST")?.body).toEqual({ shared: true, return_to: "/ui/connected" });
  status = connected;
  new BroadcastChannel(CHANNEL).postMessage("connected");
  expect(await screen.findByText("alice@example.com")).toBeInTheDocument();
  expect(screen.queryByText(/Waiting/)).not.toBeInTheDocument();
});

test("where no window can be opened, this one goes there and comes back", async () => {
  vi.spyOn(window, "open").mockReturnValue(null);
  const calls = answer({
    "GET /v1/mcp/server/1/connection": { body: none },
    "POST /v1/mcp/server/1/connect": { body: { authorization_url: url, expires_in: 300 } },
  });
  show("viewer", false);
  await userEvent.click(await screen.findByRole("button", { name: "Connect" }));
  await vi.waitFor(() => expect(assign).toHaveBeenCalledWith(url));
  expect(calls.find((c) => c.method === "POST")?.body).toEqual({ shared: false, return_to: "/ui/connections" });
});

test("a viewer does not change the shared account", async () => {
  answer({ "GET /v1/mcp/server/1/connection": { body: none } });
  show("viewer", true);
  expect(await screen.findByText(/Only an administrator/)).toBeInTheDocument();
  expect(screen.queryByRole("button")).not.toBeInTheDocument();
});
