import { Button, Checkbox, TextInput, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useBlocker } from "@tanstack/react-router";
import { useForm } from "react-hook-form";

import { ApiError } from "../../api/client";
import { settingsQuery, updateSettings } from "../../api/settings";
import { useIsAdmin } from "../../app/session";
import { ErrorPanel } from "../../components/ErrorPanel";
import { LeaveDialog } from "../../components/LeaveDialog";
import { done } from "../../components/notices";
import { isHttpUrl } from "../../domain/url";

import type { Settings } from "../../api/types";

interface Form {
  public_url: string;
  currency: string;
  audit_retention_days: string;
  usage_retention_days: string;
  bootstrap_key_disabled: boolean;
}

const days = (value: string) =>
  (Number.isInteger(Number(value)) && Number(value) >= 1 && Number(value) <= 3650) ||
  "Enter a number of days from 1 to 3650.";

export function General({ settings }: { settings: Settings }) {
  const admin = useIsAdmin();
  const client = useQueryClient();
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
  });
  const { errors, isDirty } = form.formState;
  const save = useMutation({
    mutationFn: (f: Form) =>
      updateSettings(
        {
          public_url: f.public_url.trim() || null,
          currency: f.currency.trim() || null,
          audit_retention_days: Number(f.audit_retention_days),
          usage_retention_days: Number(f.usage_retention_days),
          bootstrap_key_disabled: f.bootstrap_key_disabled,
        },
        settings.version,
      ),
    onSuccess: (next) => {
      client.setQueryData(settingsQuery.queryKey, next);
      done("The settings were saved.");
    },
    onError: (error) => {
      if (!(error instanceof ApiError)) return;
      for (const f of error.fields)
        if (f.path in form.getValues()) form.setError(f.path as keyof Form, { message: f.message });
    },
  });
  const blocker = useBlocker({
    shouldBlockFn: () => form.formState.isDirty,
    enableBeforeUnload: () => form.formState.isDirty,
    withResolver: true,
  });
  return (
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
        <TextInput
          label="Public URL"
          description="The gateway's own address, for configuration snippets. Blank: as you opened it."
          placeholder={window.location.origin}
          error={errors.public_url?.message}
          {...form.register("public_url", {
            validate: (v) => v.trim() === "" || isHttpUrl(v.trim()) || "Enter a whole URL.",
          })}
        />
        <TextInput
          label="Currency"
          description="Beside costs. Only a name; nothing is converted."
          placeholder="EUR"
          error={errors.currency?.message}
          {...form.register("currency", { maxLength: { value: 8, message: "At most 8 characters." } })}
        />
        <TextInput
          label="Audit log is kept for (days)"
          inputMode="numeric"
          error={errors.audit_retention_days?.message}
          {...form.register("audit_retention_days", { validate: days })}
        />
        <TextInput
          label="Usage figures are kept for (days)"
          inputMode="numeric"
          error={errors.usage_retention_days?.message}
          {...form.register("usage_retention_days", { validate: days })}
        />
        <div className="wide">
          <Checkbox
            label="Refuse the bootstrap admin key (GRANTWAY_ADMIN_KEY)"
            description="Possible once an admin key of your own exists. It can be allowed again by an administrator."
            error={errors.bootstrap_key_disabled?.message}
            {...form.register("bootstrap_key_disabled")}
          />
        </div>
      </div>
      {save.error && <ErrorPanel title="The settings were not saved" error={save.error} />}
      {admin && (
        <div className="row">
          <Button type="submit" loading={save.isPending} disabled={!isDirty}>
            Save settings
          </Button>
          {isDirty && <span className="soft">Not saved yet</span>}
        </div>
      )}
      <LeaveDialog blocker={blocker} />
    </form>
  );
}
