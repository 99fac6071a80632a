import { Button, Loader } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useBlocker, useNavigate, useParams } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { FormProvider, useForm } from "react-hook-form";

import { ApiError } from "../../api/client";
import { createServer, serverQuery, updateServer } from "../../api/servers";
import { ErrorPanel } from "../../components/ErrorPanel";
import { LeaveDialog } from "../../components/LeaveDialog";
import { done } from "../../components/notices";
import { PageHeader } from "../../components/PageHeader";
import { fieldOfPath, formOf, inputOf } from "../../domain/serverForm";
import { Access } from "./Access";
import { Authentication } from "./Authentication";
import { Basics } from "./Basics";
import { More } from "./More";
import classes from "./ServerFormPage.module.css";
import { TestPanel } from "./TestPanel";

import type { Server } from "../../api/types";
import type { ServerForm } from "../../domain/serverForm";

export function NewServerPage() {
  return <ServerFormView />;
}

export function EditServerPage() {
  const { server: id } = useParams({ from: "/servers/$server/edit" });
  const { data, error, refetch } = useQuery({ ...serverQuery(id), refetchOnWindowFocus: false, staleTime: 0 });
  if (error) return <ErrorPanel title="The server could not be read" error={error} retry={() => void refetch()} />;
  if (!data) return <Loader aria-label="Loading the server" />;
  return <ServerFormView key={data.server_id} stored={data} />;
}

function ServerFormView({ stored: first }: { stored?: Server }) {
  // The version that the form began with: what somebody else saves meanwhile is noticed, not overwritten.
  const [stored, setStored] = useState(first);
  const client = useQueryClient();
  const navigate = useNavigate();
  const saved = useRef(false);
  const form = useForm<ServerForm>({ defaultValues: formOf(stored), mode: "onTouched" });
  const { isDirty } = form.formState;
  const blocker = useBlocker({
    shouldBlockFn: () => form.formState.isDirty && !saved.current,
    enableBeforeUnload: () => form.formState.isDirty && !saved.current,
    withResolver: true,
  });
  const [unplaced, setUnplaced] = useState<ApiError>();

  const save = useMutation({
    mutationFn: (values: ServerForm) =>
      stored ? updateServer(stored.server_id, inputOf(values, stored), stored.version) : createServer(inputOf(values)),
    onMutate: () => setUnplaced(undefined),
    onSuccess: (server) => {
      saved.current = true;
      client.setQueryData(serverQuery(server.server_id).queryKey, server);
      void client.invalidateQueries({
        predicate: (q) => ["servers", "server", "health", "token"].includes(String(q.queryKey[0])),
      });
      done(stored ? `${server.server_name} was saved.` : `${server.server_name} was added.`);
      void navigate({
        to: "/servers/$server",
        params: { server: server.server_id },
        search: stored ? {} : { tab: "tools" },
      });
    },
    onError: (error) => setUnplaced(placeProblems(error, form.setError)),
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
            <Button type="submit" loading={save.isPending}>
              {stored ? "Save changes" : "Add server"}
            </Button>
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
          <TestPanel stored={stored} onProblems={(error) => placeProblems(error, form.setError)} />
        </aside>
      </form>
      <LeaveDialog blocker={blocker} />
    </FormProvider>
  );
}

/** Puts the gateway's messages on their fields. Answers the error if something of it belongs to no field. */
function placeProblems(
  error: unknown,
  setError: (name: keyof ServerForm, problem: { message: string }, o?: { shouldFocus: boolean }) => void,
) {
  if (!(error instanceof ApiError)) {
    return new ApiError(0, "unexpected", error instanceof Error ? error.message : String(error));
  }
  const placed = error.fields.map((f) => [fieldOfPath(f.path), f] as const);
  let focus = true;
  for (const [name, f] of placed) {
    if (!name) continue;
    setError(name, { message: f.message }, { shouldFocus: focus });
    focus = false;
  }
  const left = placed.filter(([name]) => !name).map(([, f]) => f);
  if (placed.length > 0 && left.length === 0) return undefined;
  return new ApiError(error.status, error.code, error.message, error.requestId, left, error.body, error.retryAfter);
}
