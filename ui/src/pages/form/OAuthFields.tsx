import { SegmentedControl, Select, Textarea } from "@mantine/core";
import { useController, useFormContext, useWatch } from "react-hook-form";

import { useSchemas } from "../../api/schemas";
import { CopyButton } from "../../components/CopyButton";
import { TimeAgo } from "../../components/TimeAgo";
import { keyAlgorithms } from "../../domain/labels";
import { applicable } from "../../domain/serverForm";
import { ClientAuthSelect } from "./Authentication";
import { Check, Pairs, Secret, Tags, Text, useProblem } from "./fields";
import classes from "./ServerFormPage.module.css";

import type { Server } from "../../api/types";
import type { KeySource, ServerForm } from "../../domain/serverForm";

interface Props {
  stored?: Server;
  /** The credentials would go somewhere else than before. */
  moved: boolean;
}

/** The fields of the chosen OAuth flow, and no others. */
export function OAuthFields({ stored, moved }: Props) {
  const { control } = useFormContext<ServerForm>();
  const values = useWatch({ control }) as ServerForm;
  const is = applicable(values);
  const optional = is.interactive ? " Optional: registered with the server otherwise." : "";
  return (
    <>
      {is.interactive && (
        <div className={classes.note} role="note">
          A person signs in once in the browser, after the server is saved: on its Token tab, or at{" "}
          <code>/connect</code>. If no person has to sign in, choose Machine-to-Machine.
        </div>
      )}
      <div className="fields">
        <Text
          name="client_id"
          label="Client ID"
          mono
          required={!is.interactive}
          description={`What the authorization server calls Grantway.${optional}`}
        />
        <ClientAuthSelect />
        {is.secret && <ClientSecret stored={stored} moved={moved} optional={is.interactive} />}
        {is.jwtBearer && <IdentitySecret stored={stored} />}
        {is.privateKey && <PrivateKey stored={stored} />}
        <Text
          name="token_url"
          label="Token URL"
          mono
          inputMode="url"
          description="Where tokens are fetched. Blank: read from the server's metadata."
          placeholder="https://idp.example.com/oauth/token"
        />
        {is.interactive && (
          <>
            <Text
              name="authorization_url"
              label="Authorization URL"
              mono
              inputMode="url"
              description="Blank: discovered."
            />
            <Text
              name="registration_url"
              label="Registration URL"
              mono
              inputMode="url"
              description="Blank: discovered."
            />
          </>
        )}
        <Tags
          name="scopes"
          words
          label="Scopes"
          description="Enter or comma after each. Blank: the authorization server's default."
          placeholder="mcp:read"
        />
        <Text
          name="audience"
          label="Audience"
          mono
          description="Where the authorization server asks for one (Auth0, Okta)."
        />
        <Text
          name="upstream_resource"
          label="Resource"
          mono
          description="RFC 8707: a URL, or auto for the one that the server publishes."
          placeholder="auto"
        />
      </div>
      <details className={classes.more}>
        <summary>More about the token</summary>
        <div className="fields">
          <Text
            name="issuer"
            label="Issuer"
            mono
            inputMode="url"
            description="The credential is bound to it. Blank: as discovered."
          />
          {is.assertion && (
            <Text
              name="assertion_audience"
              label="Audience of the assertion"
              mono
              description="aud of the signed JWT. Blank: the issuer."
            />
          )}
          {is.onBehalf && <Text name="subject_token_type" label="Type of the caller's token" mono />}
          {is.jwtBearer && <Identity />}
          <Text
            name="token_header_name"
            label="Header for the token"
            mono
            description="Authorization with Bearer if left blank."
            placeholder="Authorization"
          />
          <Text
            name="token_header_prefix"
            label="Before the token"
            mono
            description="Such as “Bearer ”, space included. Only with a header of your own."
          />
          {!is.interactive && (
            <Check
              name="allow_scope_step_up"
              label="Ask for more scopes when the server wants them"
              description="A 403 insufficient_scope is answered by one new token with the scopes that it names."
            />
          )}
          {is.m2m && (
            <Check
              name="keep_warm"
              label="Keep a token ready"
              description="Refreshed before its end even when nobody calls, so that the first call is fast."
            />
          )}
          <Pairs
            name="extra_token_params"
            label="Extra parameters"
            description="Sent to the token endpoint besides the standard ones."
            add="Add a parameter"
          />
        </div>
      </details>
    </>
  );
}

/** Enterprise-managed authorization: the identity provider turns the caller's JWT into an assertion (ID-JAG). */
function Identity() {
  return (
    <>
      <Text
        name="identity_token_url"
        label="Identity provider's token URL"
        mono
        inputMode="url"
        description="Enterprise-managed authorization: where the caller's JWT is exchanged for an identity assertion. Blank: the JWT itself is presented."
      />
      <Text name="identity_client_id" label="Client at the identity provider" mono />
    </>
  );
}

/** Stands beside the other secret: browsers take secrets that are apart for several forms in one. */
function IdentitySecret({ stored }: { stored?: Server }) {
  const kept = stored?.secrets?.identity_client_secret?.set === true;
  return (
    <Secret
      name="identity_client_secret"
      label="Secret at the identity provider"
      placeholder={kept ? "••••••••" : undefined}
      description={kept ? "Leave blank to keep what is stored." : "With its token URL only; see More about the token."}
    />
  );
}

function ClientSecret({ stored, moved, optional }: Props & { optional: boolean }) {
  const secret = stored?.secrets?.client_secret;
  const kept = secret?.set === true && !moved;
  const must = !optional && !kept;
  let description = "Sealed before it is stored, and never shown again.";
  if (secret?.set && moved)
    description =
      "URL, token URL or issuer changed: enter the secret again, so that it goes to the new place on purpose.";
  else if (secret?.set) description = "Leave blank to keep what is stored.";
  return (
    <>
      <Secret
        name="client_secret"
        label="Client secret"
        required={must}
        description={
          <>
            {description}{" "}
            {secret?.set && (
              <>
                Stored <TimeAgo time={secret.last_rotated} />.
              </>
            )}
          </>
        }
        placeholder={kept ? "••••••••" : undefined}
      />
      {secret?.set && (
        <Secret
          name="client_secret_next"
          label="Next secret"
          placeholder={stored?.secrets?.client_secret_next?.set ? "••••••••" : undefined}
          description="For a rotation: tried where the present one is refused, so that no call fails."
        />
      )}
    </>
  );
}

function PrivateKey({ stored }: { stored?: Server }) {
  const { control, register } = useFormContext<ServerForm>();
  const source = useController({ control, name: "key_source" }).field;
  const generate = useController({ control, name: "client_private_key_generate" }).field;
  const algorithm = useController({ control, name: "client_private_key_alg" }).field;
  const error = useProblem("client_private_key");
  const algorithmError = useProblem("client_private_key_alg");
  const schemas = useSchemas();
  const choices = (name: "client_private_key_alg" | "client_private_key_generate") =>
    (schemas?.choices("Server", "credentials", name) ?? []).map((value) => ({
      value,
      label: keyAlgorithms[value] ?? value,
    }));
  const has = stored?.client_private_key_id !== undefined;
  const jwks = `${window.location.origin}/.well-known/jwks.json`;
  return (
    <div className="wide stack-s">
      <strong id="key-source">Private key</strong>
      <SegmentedControl
        aria-labelledby="key-source"
        value={source.value}
        onChange={(value) => source.onChange(value as KeySource)}
        data={[
          ...(has ? [{ value: "keep", label: "Keep the stored key" }] : []),
          { value: "generate", label: has ? "Make a new key" : "Let Grantway make one" },
          { value: "paste", label: "Paste a key" },
        ]}
      />
      {source.value === "keep" && stored && (
        <div className="soft">
          {stored.client_private_key_alg} key <code>{stored.client_private_key_id}</code>
        </div>
      )}
      {source.value === "generate" && (
        <div className="fields">
          <Select
            label="Kind of key"
            data={choices("client_private_key_generate")}
            value={generate.value}
            onChange={(value) => value && generate.onChange(value)}
            allowDeselect={false}
          />
          <div className={classes.note}>
            The private half never leaves Grantway. Give the authorization server this address of the public half, once
            the server is saved: <code className="break">{jwks}</code>{" "}
            <CopyButton value={jwks} label="Copy the JWKS URL" />
          </div>
        </div>
      )}
      {source.value === "paste" && (
        <div className="fields">
          <Textarea
            className="wide"
            label="Private key"
            description="PKCS #8 PEM, or one JWK. Sealed before it is stored, and never shown again."
            placeholder={"-----BEGIN PRIVATE KEY-----"}
            rows={6}
            autoComplete="off"
            spellCheck={false}
            classNames={{ input: "mono" }}
            {...register("client_private_key")}
            error={error}
          />
          <Text
            name="client_private_key_id"
            label="Key ID (kid)"
            mono
            description="Blank: made of the key (RFC 7638)."
          />
          <Select
            label="Algorithm"
            description="Of several that the key could serve, such as RS256 and PS256."
            placeholder="Chosen by the kind of key"
            data={choices("client_private_key_alg")}
            value={algorithm.value || null}
            onChange={(value) => algorithm.onChange(value ?? "")}
            clearable
            clearButtonProps={{ "aria-label": "Let the kind of key choose" }}
            error={algorithmError}
          />
        </div>
      )}
    </div>
  );
}
