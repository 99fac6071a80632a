import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";

import { answer, renderRouted } from "../../test/render";
import { schemas } from "../../test/schemas";
import { IssuerDialog } from "./IssuerDialog";

import type { Issuers } from "../../api/types";

const list: Issuers = { version: 4, jwt_issuers: [{ issuer: "https://old.example", grants: [{ servers: ["1"] }] }] };

async function open(at: number, answers: Parameters<typeof answer>[0] = {}) {
  const calls = answer({ "GET /v1/mcp/server": { body: { data: [], next_cursor: null, total: 0 } }, ...answers });
  const onSaved = vi.fn();
  renderRouted(<IssuerDialog list={list} at={at} schemas={schemas} onClose={vi.fn()} onSaved={onSaved} />);
  return { calls, onSaved, issuer: await screen.findByRole("textbox", { name: "Issuer" }) };
}

const save = () => userEvent.click(screen.getByRole("button", { name: "Save issuer" }));

test.each([
  ["", /Enter the issuer's URL/],
  ["https://idp.example?x=1", /must look like/],
  ["https://old.example", /in the list already/],
])("the issuer %j is refused with its reason", async (text, reason) => {
  const { calls, issuer } = await open(1);
  if (text) await userEvent.type(issuer, text);
  await save();
  expect(await screen.findByText(reason)).toBeInTheDocument();
  expect(calls.filter((c) => c.method === "PUT")).toHaveLength(0);
});

test("a role beyond caller needs a claim", async () => {
  const { issuer } = await open(1);
  await userEvent.type(issuer, "https://new.example");
  await userEvent.click(screen.getByRole("combobox", { name: "Role" }));
  await userEvent.click(await screen.findByText("Administrator"));
  await save();
  expect(await screen.findByText(/not every token can have this role/)).toBeInTheDocument();
});

test("a new issuer is added to the list, on the version that was seen", async () => {
  const { calls, onSaved, issuer } = await open(1, { "PUT /v1/settings/issuers": { body: list } });
  await userEvent.type(issuer, "https://new.example");
  await userEvent.type(screen.getByRole("textbox", { name: "Claim" }), "scope");
  await userEvent.type(screen.getByRole("textbox", { name: "Is, or holds" }), "mcp:call");
  await save();
  await vi.waitFor(() => expect(onSaved).toHaveBeenCalled());
  const put = calls.find((c) => c.method === "PUT");
  expect(put?.headers["If-Match"]).toBe('"4"');
  expect(put?.body).toEqual({
    jwt_issuers: [
      list.jwt_issuers[0],
      { issuer: "https://new.example", grants: [{ claim: "scope", value: "mcp:call", role: "caller" }] },
    ],
  });
});

test("what the gateway refuses stands at its field", async () => {
  const fields = [{ path: "jwt_issuers[0].jwks_url", code: "invalid_url", message: "Not a public host." }];
  await open(0, {
    "PUT /v1/settings/issuers": {
      status: 422,
      body: { error: { code: "invalid_record", message: "Some fields are not valid.", fields } },
    },
  });
  await save();
  expect(await screen.findByText("Not a public host.")).toBeInTheDocument();
});
