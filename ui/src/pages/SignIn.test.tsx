import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";

import { answer, renderPage } from "../test/render";
import { SignInForm } from "./SignIn";

const session = {
  id: "s1",
  principal: { id: "bootstrap", name: "Admin key", role: "admin" },
  created_at: "2026-01-01T00:00:00Z",
  expires_at: "2026-01-01T01:00:00Z",
  csrf_header: "X-Grantway-CSRF",
};

test("a right key signs in, and is sent once, trimmed", async () => {
  const onSignedIn = vi.fn();
  const calls = answer({ "POST /v1/session": { status: 200, body: session } });
  renderPage(<SignInForm onSignedIn={onSignedIn} />);
  await userEvent.type(screen.getByLabelText("Access key"), "  gw_secret ");
  await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
  expect(onSignedIn).toHaveBeenCalledWith(session);
  const sent = calls.filter((c) => c.method === "POST");
  expect(sent).toEqual([expect.objectContaining({ path: "/v1/session", body: { key: "gw_secret" } })]);
  expect(sent[0]?.headers["X-Grantway-CSRF"]).toBe("1");
});

test.each([
  [401, "unauthorized", /does not know this key/],
  [403, "session_role", /calls tools only/],
  [503, "directory_unavailable", /later/],
])("a refusal with status %d says what to do and names the request", async (status, code, text) => {
  answer({ "POST /v1/session": { status, body: { error: { code, message: "Try later.", request_id: "req-1" } } } });
  renderPage(<SignInForm onSignedIn={vi.fn()} />);
  await userEvent.type(screen.getByLabelText("Access key"), "gw_wrong");
  await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
  expect(await screen.findByText(text)).toBeInTheDocument();
  expect(screen.getByText("req-1")).toBeInTheDocument();
});

test.each([
  [true, 1],
  [false, 0],
])("a provider that is on (%s) is offered %i times", async (enabled, times) => {
  const calls = answer({ "GET /signin/status": { body: { enabled, url: "/signin" } } });
  renderPage(<SignInForm onSignedIn={vi.fn()} />);
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  if (enabled) await screen.findByRole("button", { name: "Sign in with your organization" });
  expect(screen.queryAllByRole("button", { name: "Sign in with your organization" })).toHaveLength(times);
});
