import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";

import { schemasQuery } from "../../api/schemas";
import { answer, renderRouted } from "../../test/render";
import { schemas } from "../../test/schemas";
import { server } from "../../test/server";
import { KeyDialog } from "./KeyDialog";

import type { Answer } from "../../test/render";

async function open(answers: Record<string, Answer>) {
  const calls = answer(answers);
  const onClose = vi.fn();
  const { client } = renderRouted(<KeyDialog servers={[server]} onClose={onClose} onSaved={vi.fn()} />);
  client.setQueryData(schemasQuery.queryKey, schemas);
  const name = await screen.findByRole("textbox", { name: "Name" });
  return { calls, onClose, name };
}

const listing = "GET /mcp-rest/tools/list";

async function chooseTools() {
  await userEvent.click(screen.getByRole("checkbox", { name: "Grant Weather" }));
  await userEvent.click(screen.getByRole("combobox", { name: "Tools of Weather" }));
  await userEvent.click(await screen.findByText("Only these"));
  return screen.getByRole("combobox", { name: "Only these tools of Weather" });
}

test("the tools of a server are offered as the server tells them, and asked for only then", async () => {
  const { calls, name } = await open({
    [listing]: { body: { tools: [{ name: "forecast" }, { name: "alerts" }] } },
    "POST /v1/keys": { status: 201, body: { id: "k" } },
  });
  await userEvent.type(name, "ci");
  expect(calls.filter((c) => c.path.includes("tools/list"))).toHaveLength(0);
  const tools = await chooseTools();
  expect(screen.getByText("None is chosen, so none may be called.")).toBeInTheDocument();
  await userEvent.click(tools);
  await userEvent.click(await screen.findByText("alerts"));
  await userEvent.click(screen.getByRole("button", { name: "Create key" }));
  await vi.waitFor(() => expect(calls.find((c) => c.path === "/v1/keys")).toBeDefined());
  expect(calls.find((c) => c.path === "/v1/keys")?.body).toMatchObject({ servers: ["1"], tools: { "1": ["alerts"] } });
});

test("the tools of a server that is down are typed", async () => {
  const { calls, name } = await open({
    [listing]: { status: 502, body: { error: { code: "upstream_unreachable", message: "Down." } } },
    "POST /v1/keys": { status: 201, body: { id: "k" } },
  });
  await userEvent.type(name, "ci");
  const tools = await chooseTools();
  expect(await screen.findByText(/type their names/)).toBeInTheDocument();
  await userEvent.type(tools, "echo{Enter}");
  await userEvent.click(screen.getByRole("button", { name: "Create key" }));
  await vi.waitFor(() =>
    expect(calls.find((c) => c.path === "/v1/keys")?.body).toMatchObject({ tools: { "1": ["echo"] } }),
  );
});

test("what the schema says stands at its field, and nothing is sent", async () => {
  const { calls, name } = await open({});
  await userEvent.click(name);
  await userEvent.paste("x".repeat(101));
  await userEvent.tab();
  expect(await screen.findByText(/At most 100 characters/)).toBeInTheDocument();
  await userEvent.type(screen.getByRole("textbox", { name: "Requests per minute" }), "many");
  await userEvent.click(screen.getByRole("button", { name: "Create key" }));
  expect(await screen.findByText("Enter a whole number.")).toBeInTheDocument();
  expect(calls).toHaveLength(0);
});

test("a key that was begun is not lost by accident", async () => {
  const { name, onClose } = await open({});
  await userEvent.type(name, "ci");
  await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
  const dialog = await screen.findByRole("dialog", { name: "Leave without saving?" });
  await userEvent.click(within(dialog).getByRole("button", { name: "Stay" }));
  expect(onClose).not.toHaveBeenCalled();
  await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
  await userEvent.click(await screen.findByRole("button", { name: "Leave" }));
  expect(onClose).toHaveBeenCalled();
});
