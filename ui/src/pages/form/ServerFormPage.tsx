import { Button, Loader } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { FormProvider, useForm } from "react-hook-form";

import { schemasQuery } from "../../api/schemas";
import { createServer, serverQuery, updateServer } from "../../api/servers";
import { ErrorPanel } from "../../components/ErrorPanel";
import { useUnsaved } from "../../components/LeaveDialog";
import { done } from "../../components/notices";
import { PageHeader } from "../../components/PageHeader";
import { placeProblems } from "../../components/placeProblems";
import { SubmitButton } from "../../components/SubmitButton";
import { resolverOf } from "../../domain/resolver";
import { fieldOfPath, formOf, inputOf, problemsOf } from "../../domain/serverForm";
import { Access } from "./Access";
import { Authentication } from "./Authentication";
import { Basics } from "./Basics";
import { More } from "./More";
import classes from "./ServerFormPage.module.css";
import { TestPanel } from "./TestPanel";

import type { ApiError } from "../../api/client";
import type { Schemas } from "../../api/schemas";
import type { Server } from "../../api/types";
import type { ServerForm } from "../../domain/serverForm";
import type { ReactNode } from "react";

export function NewServerPage() {
  return <WithSchemas>{(schemas) => <ServerFormView schemas={schemas} />}</WithSchemas>;
}

export function EditServerPage() {
  const { server: id } = useParams({ from: "/servers/$server/edit" });
  const { data, error, refetch } = useQuery({ ...serverQuery(id), refetchOnWindowFocus: false, staleTime: 0 });
  if (error) return <ErrorPanel title="The server could not be read" error={error} retry={() => void refetch()} />;
  if (!data) return <Loader aria-label="Loading the server" />;
  return (
    <WithSchemas>{(schemas) => <ServerFormView key={data.server_id} stored={data} schemas={schemas} />}</WithSchemas>
  );
}

/** The form checks what the gateway checks, so it waits for the gateway's schemas. */
function WithSchemas({ children }: { children: (schemas: Schemas) => ReactNode }) {
  const { data, error, refetch } = useQuery(schemasQuery);
  if (error) return <ErrorPanel title="The form could not be made" error={error} retry={() => void refetch()} />;
  return data ? children(data) : <Loader aria-label="Loading the form" />;
}

function ServerFormView({ stored: first, schemas }: { stored?: Server; schemas: Schemas }) {
  // The version that the form began with: what somebody else saves meanwhile is noticed, not overwritten.
  const [stored, setStored] = useState(first);
  const client = useQueryClient();
  const navigate = useNavigate();
  const form = useForm<ServerForm>({
    defaultValues: formOf(stored),
    mode: "onTouched",
    resolver: resolverOf((values) => problemsOf(values, schemas, stored)),
  });
  const { isDirty } = form.formState;
  const unsaved = useUnsaved(isDirty);
  const [unplaced, setUnplaced] = useState<ApiError>();

  const save = useMutation({
    mutationFn: (values: ServerForm) =>
      stored ? updateServer(stored.server_id, inputOf(values, stored), stored.version) : createServer(inputOf(values)),
    onMutate: () => setUnplaced(undefined),
    onSuccess: (server) => {
      unsaved.saved();
      client.setQueryData(serverQuery(server.server_id).queryKey, server);
      void client.invalidateQueries({
        predicate: (q) => ["servers", "server", "health", "token"].includes(String(q.queryKey[0])),
      });
      done(stored ? `${server.server_name} was saved.` : `${server.server_name} was added.`);
      void navigate({
        to: "/servers/$server",
        params: { server: server.server_id },
        // A new server is tried out next; one that a person signs in at has to be authorized first.
        search: stored ? {} : { tab: server.oauth2_flow === "authorization_code" ? "token" : "tools" },
      });
    },
    onError: (error) => setUnplaced(placeProblems(error, form.setError, (p) => fieldOfPath(p.path))),
  });
  const submit = form.handleSubmit((values) => save.mutate(values));
  const reload = async () => {
    if (!stored) return;
    const fresh = await client.fetchQuery({ ...serverQuery(stored.server_id), staleTime: 0 });
    setStored(fresh);
    form.reset(formOf(fresh));
    setUnplaced(undefined);
  };

  const title = stored ? `Edit ${stored.server_name}` : "Add a server";
  return (
    <FormProvider {...form}>
      <PageHeader
        title={title}
        above={
          stored ? (
            <Link to="/servers/$server" params={{ server: stored.server_id }} className={classes.back}>
              ← {stored.server_name}
            </Link>
          ) : (
            <Link to="/" className={classes.back}>
              ← MCP servers
            </Link>
          )
        }
      />
      <form onSubmit={(event) => void submit(event)} noValidate className={classes.layout} aria-label={title}>
        <div className="stack">
          <Basics stored={stored} />
          <Authentication stored={stored} />
          <Access />
          <More />
          {unplaced && (
            <ErrorPanel title="The server was not saved" error={unplaced}>
              {unplaced.code === "version_conflict" && (
                <Button size="compact-sm" variant="default" mt={8} onClick={() => void reload()}>
                  Load their version (your changes on this page are dropped)
                </Button>
              )}
            </ErrorPanel>
          )}
          <div className={classes.save}>
            <SubmitButton loading={save.isPending}>{stored ? "Save changes" : "Add server"}</SubmitButton>
            <Button
              variant="default"
              renderRoot={(p) =>
                stored ? (
                  <Link to="/servers/$server" params={{ server: stored.server_id }} {...p} />
                ) : (
                  <Link to="/" {...p} />
                )
              }
            >
              Cancel
            </Button>
            {isDirty && <span className="soft">Not saved yet</span>}
          </div>
        </div>
        <aside className={classes.aside}>
          <TestPanel
            stored={stored}
            onProblems={(error) => placeProblems(error, form.setError, (p) => fieldOfPath(p.path))}
          />
        </aside>
      </form>
      {unsaved.dialog}
    </FormProvider>
  );
}
