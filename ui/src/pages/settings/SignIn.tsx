import { Button, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { FormProvider, useForm } from "react-hook-form";

import { settingsQuery, signInQuery, updateSignIn } from "../../api/settings";
import { useIsAdmin } from "../../app/session";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { CopyButton } from "../../components/CopyButton";
import { ErrorPanel } from "../../components/ErrorPanel";
import { Secret, Tags, Text } from "../../components/fields";
import { useUnsaved } from "../../components/LeaveDialog";
import { done } from "../../components/notices";
import { fieldOf, placeProblems } from "../../components/placeProblems";
import { SubmitButton } from "../../components/SubmitButton";
import { Tag } from "../../components/Tag";
import { signInForm, signInOf } from "../../domain/claims";
import { fieldMessage, resolverOf } from "../../domain/resolver";
import { Grants } from "./Grants";

import type { ApiError } from "../../api/client";
import type { Schemas } from "../../api/schemas";
import type { SignInProvider } from "../../api/types";
import type { SignInForm } from "../../domain/claims";
import type { FieldMessage } from "../../domain/resolver";
import type { FieldPath } from "react-hook-form";

function problemsOf(form: SignInForm, schemas: Schemas): FieldMessage[] {
  const missing: FieldMessage[] = [];
  if (form.issuer.trim() === "") missing.push({ name: "issuer", message: "Enter the provider's issuer." });
  if (form.client_id.trim() === "") missing.push({ name: "client_id", message: "Enter the client ID." });
  form.grants.forEach((g, i) => {
    if (g.claim.trim() === "") missing.push({ name: `grants.${i}.claim`, message: "Name the claim, such as groups." });
    if (g.value.trim() === "") missing.push({ name: `grants.${i}.value`, message: "Enter the claim's value." });
  });
  if (form.grants.length === 0) missing.push({ name: "grants", message: "Without a grant nobody can sign in." });
  return [...missing, ...schemas.check("SignInProvider", { ...signInOf(form) }).map(fieldMessage)];
}

/** The OpenID provider at which people sign in to this UI. */
export function SignIn({ schemas, origin }: { schemas: Schemas; origin: string }) {
  const { data, error, refetch } = useQuery(signInQuery);
  return (
    <section className="panel stack" aria-labelledby="sign-in">
      <div className="row-apart">
        <Title order={2} id="sign-in">
          Signing in with OpenID
        </Title>
        {data && <Tag tone={data.issuer ? "good" : "plain"}>{data.issuer ? "On" : "Off"}</Tag>}
      </div>
      <span className="soft">
        People sign in to this UI at your identity provider, instead of with an access key. Register Grantway there with
        the redirect URI <code className="break">{origin}/signin/callback</code>{" "}
        <CopyButton value={`${origin}/signin/callback`} label="Copy the redirect URI" />
      </span>
      {error && <ErrorPanel title="The provider could not be read" error={error} retry={() => void refetch()} />}
      {data && <ProviderForm key={JSON.stringify({ ...data, version: undefined })} stored={data} schemas={schemas} />}
    </section>
  );
}

function ProviderForm({ stored, schemas }: { stored: SignInProvider; schemas: Schemas }) {
  const admin = useIsAdmin();
  const client = useQueryClient();
  const [ending, setEnding] = useState(false);
  const [unplaced, setUnplaced] = useState<ApiError>();
  const form = useForm<SignInForm>({
    mode: "onTouched",
    disabled: !admin,
    defaultValues: signInForm(stored),
    resolver: resolverOf((values) => problemsOf(values, schemas)),
  });
  const { isDirty } = form.formState;
  const unsaved = useUnsaved(isDirty);
  const changed = (next: SignInProvider) => {
    client.setQueryData(signInQuery.queryKey, next);
    void client.invalidateQueries({ queryKey: settingsQuery.queryKey });
  };
  const save = useMutation({
    mutationFn: (values: SignInForm) => updateSignIn(signInOf(values), stored.version),
    onMutate: () => setUnplaced(undefined),
    onSuccess: (next) => {
      changed(next);
      done("People can sign in at the provider.");
    },
    onError: (error) => setUnplaced(placeProblems(error, form.setError, (p) => fieldOf(p) as FieldPath<SignInForm>)),
  });
  return (
    <FormProvider {...form}>
      <form
        className="stack"
        noValidate
        aria-labelledby="sign-in"
        onSubmit={(event) => void form.handleSubmit((values) => save.mutate(values))(event)}
      >
        <div className="fields">
          <Text
            name="issuer"
            label="Issuer"
            required
            mono
            inputMode="url"
            placeholder="https://idp.example.com"
            description="As in the provider's metadata (/.well-known/openid-configuration)."
          />
          <Text name="client_id" label="Client ID" required mono />
          <Secret
            name="client_secret"
            label="Client secret"
            placeholder={stored.has_secret ? "••••••••" : undefined}
            description={
              stored.has_secret
                ? "Leave blank to keep what is stored; a new issuer or client ID needs it again."
                : "Blank: a public client, with PKCE alone."
            }
          />
          <Text
            name="name_claim"
            label="Claim with the person's name"
            mono
            placeholder="email"
            description="Shown in the audit log. Blank: sub."
          />
          <Tags words name="scopes" label="Scopes" placeholder="groups" description="Asked for besides openid." />
        </div>
        <Grants people disabled={!admin} />
        {unplaced && <ErrorPanel title="The provider was not saved" error={unplaced} />}
        {admin && (
          <div className="row">
            <SubmitButton loading={save.isPending} disabled={!isDirty}>
              {stored.issuer ? "Save provider" : "Turn on"}
            </SubmitButton>
            {stored.issuer && (
              <Button variant="default" c="var(--bad)" onClick={() => setEnding(true)}>
                Turn off…
              </Button>
            )}
            {isDirty && (
              <span className="soft">Not saved yet. Saving signs out everybody who came by the provider.</span>
            )}
          </div>
        )}
      </form>
      {unsaved.dialog}
      <ConfirmDialog
        opened={ending}
        onClose={() => setEnding(false)}
        title="Turn off signing in with OpenID?"
        action="Turn off"
        run={async () => {
          unsaved.saved();
          changed(await updateSignIn({ issuer: "" }, stored.version));
          done("Only access keys sign in now.");
        }}
      >
        Lost are this provider's settings and client secret, and everybody who signed in by it is signed out. Access
        keys go on.
      </ConfirmDialog>
    </FormProvider>
  );
}
