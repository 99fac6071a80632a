import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { FormProvider, useForm } from "react-hook-form";
import { expect, test } from "vitest";

import { schemasQuery } from "../../api/schemas";
import { resolverOf } from "../../domain/resolver";
import { formOf, problemsOf } from "../../domain/serverForm";
import { renderPage } from "../../test/render";
import { schemas } from "../../test/schemas";
import { server as stored } from "../../test/server";
import { Authentication } from "./Authentication";

import type { Server } from "../../api/types";
import type { ServerForm } from "../../domain/serverForm";

function Form({ server }: { server?: Server }) {
  const form = useForm<ServerForm>({
    defaultValues: formOf(server),
    mode: "onTouched",
    resolver: resolverOf((values) => problemsOf(values, schemas, server)),
  });
  return (
    <FormProvider {...form}>
      <Authentication stored={server} />
    </FormProvider>
  );
}

const flow = (name: RegExp) => screen.getByRole("radio", { name });

test("M2M is chosen at first, and both flows are named in full", () => {
  renderPage(<Form />);
  expect(flow(/Machine-to-Machine \(M2M\) — server to server, no user/)).toBeChecked();
  expect(flow(/Interactive \(PKCE\) — a person signs in/)).not.toBeChecked();
});

test("only the fields of the chosen flow are shown", async () => {
  renderPage(<Form />);
  expect(screen.queryByLabelText("Authorization URL")).not.toBeInTheDocument();
  expect(screen.getByLabelText("Keep a token ready")).toBeInTheDocument();
  await userEvent.click(flow(/Interactive/));
  expect(screen.getByLabelText("Authorization URL")).toBeInTheDocument();
  expect(screen.queryByLabelText("Keep a token ready")).not.toBeInTheDocument();
});

test("a field is checked as it is left", async () => {
  renderPage(<Form />);
  await userEvent.type(screen.getByLabelText("Token URL"), "not a url");
  await userEvent.tab();
  expect(await screen.findByText(/Enter a whole URL/)).toBeInTheDocument();
  await userEvent.click(screen.getByLabelText(/Client ID/));
  await userEvent.tab();
  expect(await screen.findByText("Enter the client ID.")).toBeInTheDocument();
});

test("a stored secret is not shown, and is asked for again when it would go elsewhere", async () => {
  renderPage(<Form server={stored} />);
  const secret = screen.getByLabelText(/^Client secret/);
  expect(secret).toHaveValue("");
  expect(screen.getByText(/Leave blank to keep what is stored/)).toBeInTheDocument();
  await userEvent.type(screen.getByLabelText("Token URL"), "/other");
  expect(await screen.findByText(/enter the secret again/)).toBeInTheDocument();
});

test("a new key's algorithms are those of the schema", async () => {
  const { client } = renderPage(<Form server={{ ...stored, token_endpoint_auth_method: "private_key_jwt" }} />);
  client.setQueryData(schemasQuery.queryKey, schemas);
  await userEvent.click(await screen.findByRole("combobox", { name: "Kind of key" }));
  const options = within(screen.getByRole("listbox", { name: "Kind of key", hidden: true }))
    .getAllByRole("option", { hidden: true })
    .map((o) => o.textContent?.split(" ")[0]);
  expect(options).toEqual(schemas.choices("Server", "credentials", "client_private_key_generate"));
});
