import { Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { FormProvider, useForm } from "react-hook-form";

import { settingsQuery, updateSettings } from "../../api/settings";
import { useIsAdmin } from "../../app/session";
import { ErrorPanel } from "../../components/ErrorPanel";
import { Check, Text } from "../../components/fields";
import { useUnsaved } from "../../components/LeaveDialog";
import { done } from "../../components/notices";
import { fieldOf, placeProblems } from "../../components/placeProblems";
import { SubmitButton } from "../../components/SubmitButton";
import { fieldMessage, resolverOf } from "../../domain/resolver";
import { numberOf } from "../../domain/serverForm";

import type { ApiError } from "../../api/client";
import type { Schemas } from "../../api/schemas";
import type { SettingsInput } from "../../api/settings";
import type { Settings } from "../../api/types";

interface Form {
  public_url: string;
  currency: string;
  audit_retention_days: string;
  usage_retention_days: string;
  bootstrap_key_disabled: boolean;
}

const inputOf = (f: Form): SettingsInput => ({
  public_url: f.public_url.trim() || null,
  currency: f.currency.trim() || null,
  audit_retention_days: numberOf(f.audit_retention_days) as number,
  usage_retention_days: numberOf(f.usage_retention_days) as number,
  bootstrap_key_disabled: f.bootstrap_key_disabled,
});

export function General({ settings, schemas }: { settings: Settings; schemas: Schemas }) {
  const admin = useIsAdmin();
  const client = useQueryClient();
  const [unplaced, setUnplaced] = useState<ApiError>();
  const form = useForm<Form>({
    mode: "onTouched",
    disabled: !admin,
    defaultValues: {
      public_url: settings.public_url ?? "",
      currency: settings.currency ?? "",
      audit_retention_days: String(settings.audit_retention_days),
      usage_retention_days: String(settings.usage_retention_days),
      bootstrap_key_disabled: settings.bootstrap_key_disabled,
    },
    resolver: resolverOf((f) => schemas.check("Settings", inputOf(f)).map(fieldMessage)),
  });
  const { isDirty } = form.formState;
  const unsaved = useUnsaved(isDirty);
  const save = useMutation({
    mutationFn: (f: Form) => updateSettings(inputOf(f), settings.version),
    onMutate: () => setUnplaced(undefined),
    onSuccess: (next) => {
      client.setQueryData(settingsQuery.queryKey, next);
      // The other sections have the same version.
      void client.invalidateQueries({ queryKey: settingsQuery.queryKey });
      done("The settings were saved.");
    },
    onError: (error) =>
      setUnplaced(
        placeProblems(error, form.setError, (p) => {
          const name = fieldOf(p);
          return name in form.getValues() ? (name as keyof Form) : undefined;
        }),
      ),
  });
  return (
    <FormProvider {...form}>
      <form
        className="panel stack"
        aria-labelledby="general"
        noValidate
        onSubmit={(event) => void form.handleSubmit((f) => save.mutate(f))(event)}
      >
        <Title order={2} id="general">
          General
        </Title>
        <div className="fields">
          <Text
            name="public_url"
            label="Public URL"
            inputMode="url"
            description="The gateway's own address, for configuration snippets. Blank: as you opened it."
            placeholder={window.location.origin}
          />
          <Text
            name="currency"
            label="Currency"
            description="Beside costs. Only a name; nothing is converted."
            placeholder="EUR"
          />
          <Text name="audit_retention_days" label="Audit log is kept for (days)" inputMode="numeric" />
          <Text name="usage_retention_days" label="Usage figures are kept for (days)" inputMode="numeric" />
          <div className="wide">
            <Check
              name="bootstrap_key_disabled"
              label="Refuse the bootstrap admin key (GRANTWAY_ADMIN_KEY)"
              description="Possible once an admin key of your own exists. It can be allowed again by an administrator."
            />
          </div>
        </div>
        {unplaced && <ErrorPanel title="The settings were not saved" error={unplaced} />}
        {admin && (
          <div className="row">
            <SubmitButton loading={save.isPending} disabled={!isDirty}>
              Save settings
            </SubmitButton>
            {isDirty && <span className="soft">Not saved yet</span>}
          </div>
        )}
        {unsaved.dialog}
      </form>
    </FormProvider>
  );
}
