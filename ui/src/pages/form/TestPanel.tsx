import { Button, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useFormContext, useWatch } from "react-hook-form";

import { ApiError } from "../../api/client";
import { testConnection, testToken } from "../../api/tests";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconKey, IconPlugConnected } from "../../components/icons";
import { applicable, inputOf } from "../../domain/serverForm";
import { ConnectionOutcome, TokenOutcome } from "./outcomes";
import classes from "./ServerFormPage.module.css";

import type { Server, ServerInput } from "../../api/types";
import type { ServerForm } from "../../domain/serverForm";

interface Props {
  stored?: Server;
  /** Puts problems on their fields; answers what is left. */
  onProblems: (error: unknown) => ApiError | undefined;
}

/** Two tests, each started by its own button only. They use what is on the form, saved or not. */
export function TestPanel({ stored, onProblems }: Props) {
  const { control, getValues, trigger } = useFormContext<ServerForm>();
  const values = useWatch({ control }) as ServerForm;
  const is = applicable(values);
  const body = (): ServerInput => {
    const input = inputOf(getValues(), stored);
    // A test may come before the name.
    if (!input.server_name) input.server_name = "untitled";
    return stored ? { ...input, server_id: stored.server_id } : input;
  };
  const guarded = async <T,>(test: (body: ServerInput) => Promise<T>): Promise<T> => {
    if (
      !(await trigger(["url", "client_id", "token_url", "client_secret", "auth_value", "client_private_key"], {
        shouldFocus: true,
      }))
    ) {
      throw new ApiError(0, "form_incomplete", "Fill in the marked fields first.");
    }
    try {
      return await test(body());
    } catch (error) {
      const left = onProblems(error);
      throw left ?? new ApiError(422, "form_incomplete", "The gateway did not accept some fields; they are marked.");
    }
  };
  const token = useMutation({ mutationFn: () => guarded(testToken) });
  const connection = useMutation({ mutationFn: () => guarded(testConnection) });
  return (
    <section className={`panel ${classes.tests}`} aria-labelledby="tests">
      <Title order={2} id="tests">
        Try it
      </Title>
      <span className="soft">With what is on this page, saved or not. Nothing that serves calls is touched.</span>
      {is.oauth && !is.interactive && (
        <>
          <Button
            variant="default"
            leftSection={<IconKey size={16} />}
            loading={token.isPending}
            onClick={() => token.mutate()}
          >
            Test token
          </Button>
          <div aria-live="polite">
            {token.error && <ErrorPanel title="The token test did not run" error={token.error} />}
            {token.data && !token.isPending && <TokenOutcome result={token.data} />}
          </div>
        </>
      )}
      <Button
        variant="default"
        leftSection={<IconPlugConnected size={16} />}
        loading={connection.isPending}
        disabled={is.interactive}
        onClick={() => connection.mutate()}
      >
        Test connection
      </Button>
      {is.interactive && <span className="soft">A person would have to sign in first.</span>}
      <div aria-live="polite">
        {connection.error && <ErrorPanel title="The connection test did not run" error={connection.error} />}
        {connection.data && !connection.isPending && <ConnectionOutcome result={connection.data} />}
      </div>
    </section>
  );
}
