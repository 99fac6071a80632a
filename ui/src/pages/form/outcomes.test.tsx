import { screen } from "@testing-library/react";
import { expect, test } from "vitest";

import { renderPage } from "../../test/render";
import { tokenAdvice } from "./advice";
import { ConnectionOutcome, TokenOutcome } from "./outcomes";

import type { TokenTest } from "../../api/types";

const failed = (more: Partial<TokenTest>): TokenTest => ({
  ok: false,
  stage: "identity_provider",
  message: "No.",
  took_ms: 5,
  ...more,
});

test.each([
  ["a wrong secret", { idp_status: 401, oauth_error: "invalid_client" }, /check client ID, secret/],
  ["a wrong path", { idp_status: 404 }, /not a token endpoint/],
  ["a dead host", {}, /Nothing answered/],
  ["a fault of the server", { idp_status: 503 }, /fault of its own/],
  ["a request to wait", { idp_status: 429, retry_after: 7 }, /wait 7 s/],
  ["a scope that is not granted", { idp_status: 400, oauth_error: "invalid_scope" }, /Remove the scopes/],
])("%s has advice of its own", (_, more, advice) => expect(tokenAdvice(failed(more))).toMatch(advice));

test("a token's life and scopes are told", () => {
  renderPage(
    <TokenOutcome
      result={{ ok: true, stage: "done", message: "It did.", expires_in: 3600, scope: "a b", took_ms: 12 }}
    />,
  );
  expect(screen.getByText(/Life 1 h; scopes a b/)).toBeInTheDocument();
  expect(screen.getAllByLabelText("passed")).toHaveLength(3);
});

test("a connection test says which step failed", () => {
  renderPage(
    <ConnectionOutcome
      result={{
        status: "error",
        message: "The server is out of reach.",
        checked_at: "2026-01-01T00:00:00Z",
        steps: [
          { name: "token", ok: true, took_ms: 1 },
          { name: "connection", ok: false, took_ms: 2, message: "Refused." },
        ],
      }}
    />,
  );
  expect(screen.getByText("Not connected")).toBeInTheDocument();
  expect(screen.getByText(/MCP connected: Refused\./)).toBeInTheDocument();
});
