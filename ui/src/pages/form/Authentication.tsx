import { Button, Radio, Select, Title } from "@mantine/core";
import { useState } from "react";
import { useController, useFormContext, useWatch } from "react-hook-form";

import { applicable, destinationChanged } from "../../domain/serverForm";
import { authTypes, clientAuths, flows } from "../../domain/labels";
import { Secret, Text, useProblem } from "./fields";
import { OAuthFields } from "./OAuthFields";
import classes from "./ServerFormPage.module.css";

import type { AuthType, ClientAuth, Flow, Server } from "../../api/types";
import type { ServerForm } from "../../domain/serverForm";

export function Authentication({ stored }: { stored?: Server }) {
  const { control } = useFormContext<ServerForm>();
  const { field } = useController({ control, name: "auth_type" });
  const values = useWatch({ control }) as ServerForm;
  const is = applicable(values);
  const moved = destinationChanged(values, stored);
  const hasValue = stored?.secrets?.auth_value?.set === true && stored.auth_type === values.auth_type;
  return (
    <section className="panel stack" aria-labelledby="authentication">
      <Title order={2} id="authentication">
        Authentication
      </Title>
      <Select
        label="Authentication"
        description={authTypes[values.auth_type].about}
        data={(Object.keys(authTypes) as AuthType[])
          .sort(oauthFirst)
          .map((value) => ({ value, label: authTypes[value].label }))}
        value={field.value}
        onChange={(value) => value && field.onChange(value)}
        onBlur={field.onBlur}
        error={useProblem("auth_type")}
        allowDeselect={false}
        maw={420}
      />
      {is.oauth && <FlowSelector />}
      {is.oauth && <OAuthFields stored={stored} moved={moved} />}
      {is.value && (
        <div className="fields">
          <Secret
            name="auth_value"
            label={values.auth_type === "basic" ? "User and password" : "Value"}
            required={!hasValue || moved}
            description={
              hasValue
                ? moved
                  ? "The URL changed: enter the value again, so that it goes to the new place on purpose."
                  : "Leave blank to keep what is stored."
                : authTypes[values.auth_type].about
            }
            placeholder={values.auth_type === "basic" ? "user:password" : hasValue ? "••••••••" : undefined}
          />
          {is.header && (
            <Text
              name="token_header_name"
              label="Header"
              description="X-API-Key if left blank."
              placeholder="X-API-Key"
              mono
            />
          )}
        </div>
      )}
    </section>
  );
}

const oauthFirst = (a: AuthType, b: AuthType) => Number(b === "oauth2") - Number(a === "oauth2");

/** Which OAuth flow: always said, never guessed from what else is filled in. */
function FlowSelector() {
  const { control } = useFormContext<ServerForm>();
  const { field } = useController({ control, name: "oauth2_flow" });
  const [more, setMore] = useState(field.value === "jwt_bearer" || field.value === "token_exchange");
  const choices: Flow[] = ["client_credentials", "authorization_code"];
  if (more) choices.push("jwt_bearer", "token_exchange");
  const texts: Partial<Record<Flow, string>> = {
    client_credentials: "server to server, no user",
    authorization_code: "a person signs in",
  };
  return (
    <Radio.Group
      label="OAuth Flow Type"
      value={field.value}
      onChange={field.onChange}
      error={useProblem("oauth2_flow")}
    >
      <div className={classes.flows}>
        {choices.map((flow) => (
          <Radio.Card
            key={flow}
            value={flow}
            className={classes.card}
            aria-label={`${flows[flow].label} — ${texts[flow] ?? flows[flow].about}`}
          >
            <Radio.Indicator />
            <span>
              <span className={classes.cardTitle}>{flows[flow].label}</span>
              <br />
              <span className={classes.cardAbout}>{texts[flow] ?? flows[flow].about}</span>
            </span>
          </Radio.Card>
        ))}
      </div>
      {!more && (
        <Button variant="subtle" size="compact-sm" mt={6} onClick={() => setMore(true)}>
          In the name of the caller…
        </Button>
      )}
    </Radio.Group>
  );
}

/** How the client authenticates at the token endpoint. */
export function ClientAuthSelect() {
  const { control } = useFormContext<ServerForm>();
  const { field } = useController({ control, name: "token_endpoint_auth_method" });
  return (
    <Select
      label="Client authentication"
      description={clientAuths[field.value].about}
      data={(Object.keys(clientAuths) as ClientAuth[]).map((value) => ({ value, label: clientAuths[value].label }))}
      value={field.value}
      onChange={(value) => value && field.onChange(value)}
      onBlur={field.onBlur}
      error={useProblem("token_endpoint_auth_method")}
      allowDeselect={false}
    />
  );
}
