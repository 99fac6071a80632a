import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";

import { SessionContext } from "../../app/session";
import { answer, renderRouted } from "../../test/render";
import { schemas } from "../../test/schemas";
import { SignIn } from "./SignIn";

import type { Session, SignInProvider } from "../../api/types";

const provider: SignInProvider = {
  version: 7,
  issuer: "https://idp.example",
  client_id: "ui",
  has_secret: true,
  grants: [{ claim: "groups", value: "ops", role: "viewer" }],
};

const conflict = {
  status: 412,
  body: { error: { code: "version_conflict", message: "Somebody else changed it meanwhile." } },
};

async function open(put: object) {
  const calls = answer({
    "GET /v1/settings/sign-in": { body: provider },
    "GET /v1/mcp/server": { body: { data: [], next_cursor: null, total: 0 } },
    "PUT /v1/settings/sign-in": put,
  });
  renderRouted(
    <SessionContext value={{ principal: { role: "admin" } } as Session}>
      <SignIn schemas={schemas} origin="https://gateway.example" />
    </SessionContext>,
  );
  return { calls, client: await screen.findByRole("textbox", { name: "Client ID" }) };
}

test("the provider is changed on the version that was seen", async () => {
  const { calls, client } = await open(conflict);
  await userEvent.type(client, "-2");
  await userEvent.click(screen.getByRole("button", { name: "Save provider" }));
  expect(await screen.findByText(/Somebody else changed this in the meantime/)).toBeInTheDocument();
  expect(calls.find((c) => c.method === "PUT")?.headers["If-Match"]).toBe('"7"');
  expect(client).toHaveValue("ui-2");
});

test("and turned off on it", async () => {
  const { calls } = await open({ body: { ...provider, version: 8 } });
  await userEvent.click(screen.getByRole("button", { name: "Turn off…" }));
  await userEvent.click(await screen.findByRole("button", { name: "Turn off" }));
  await vi.waitFor(() => expect(calls.find((c) => c.method === "PUT")?.headers["If-Match"]).toBe('"7"'));
});
