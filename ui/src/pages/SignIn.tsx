import { Button, PasswordInput, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { ApiError } from "../api/client";
import { signIn, signInAtProvider, signInStatusQuery } from "../api/session";
import { messageOf, Reference } from "../components/ErrorPanel";
import classes from "./SignIn.module.css";

import type { Session } from "../api/types";

export function SignInPage({ onSignedIn }: { onSignedIn: (session: Session) => void }) {
  useEffect(() => {
    document.title = "Sign in · Grantway";
  }, []);
  return (
    <main className={classes.page}>
      <div className={classes.card}>
        <div className={classes.brand}>
          <img src="/ui/favicon.svg" alt="" width={34} height={34} />
          <div>
            <Title order={1} size="h2">
              Sign in to Grantway
            </Title>
            <p className={classes.about}>MCP servers and the tokens they need, in one place.</p>
          </div>
        </div>
        <SignInForm onSignedIn={onSignedIn} />
        <p className={classes.help}>
          On first start the gateway writes an admin key into its data folder and prints where. On Cloudflare Workers it
          is the secret <code>GRANTWAY_ADMIN_KEY</code>.
        </p>
      </div>
    </main>
  );
}

/** What the gateway's refusal means for the person at the form. */
function explain(error: unknown): string {
  if (error instanceof ApiError) {
    if (error.code === "session_role") return "This key calls tools only. Sign in with an admin or viewer key.";
    if (error.status === 401)
      return "The gateway does not know this key, or it was revoked or has expired. Check that it was copied whole.";
  }
  return messageOf(error);
}

export function SignInForm({ onSignedIn }: { onSignedIn: (session: Session) => void }) {
  const [key, setKey] = useState("");
  const { data: provider } = useQuery(signInStatusQuery);
  const attempt = useMutation({
    mutationFn: () => signIn(key.trim()),
    onSuccess: (session) => {
      setKey("");
      onSignedIn(session);
    },
  });
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (key.trim()) attempt.mutate();
      }}
    >
      {/* For password managers, which file a secret under a name. */}
      <input type="text" name="username" autoComplete="username" value="grantway" readOnly hidden />
      <PasswordInput
        label="Access key"
        description="An admin or viewer key"
        placeholder="gw_…"
        value={key}
        onChange={(event) => setKey(event.currentTarget.value)}
        autoComplete="current-password"
        visibilityToggleButtonProps={{ "aria-label": "Show the key" }}
        data-autofocus
        autoFocus
        error={
          attempt.error && (
            <>
              {explain(attempt.error)} {attempt.error instanceof ApiError && <Reference error={attempt.error} />}
            </>
          )
        }
      />
      <Button type="submit" loading={attempt.isPending} disabled={!key.trim()}>
        Sign in
      </Button>
      {provider?.enabled && (
        <Button variant="default" onClick={() => signInAtProvider(provider.url)}>
          Sign in with your organization
        </Button>
      )}
    </form>
  );
}
