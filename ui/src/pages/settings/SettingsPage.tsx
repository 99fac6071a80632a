import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { schemasQuery } from "../../api/schemas";
import { settingsQuery } from "../../api/settings";
import { ErrorPanel } from "../../components/ErrorPanel";
import { PageHeader } from "../../components/PageHeader";
import { Environment } from "./Environment";
import { General } from "./General";
import { Issuers } from "./Issuers";
import { Sealing } from "./Sealing";
import classes from "./Settings.module.css";
import { SignIn } from "./SignIn";

import type { Settings } from "../../api/types";

const sections = [
  ["general", "General"],
  ["sealing", "Sealing key"],
  ["sign-in", "Signing in"],
  ["issuers", "Access tokens"],
  ["limits", "Limits and times"],
] as const;

/** What the first form shows: it begins anew when this changes, and not with every other change of the settings. */
const contentOf = (s: Settings) =>
  JSON.stringify([s.public_url, s.currency, s.audit_retention_days, s.usage_retention_days, s.bootstrap_key_disabled]);

export function SettingsPage() {
  const settings = useQuery(settingsQuery);
  const schemas = useQuery(schemasQuery);
  const error = settings.error ?? schemas.error;
  const { data } = settings;
  const origin = (data?.public_url || window.location.origin).replace(/\/$/, "");
  return (
    <>
      <PageHeader title="Settings" about="What holds for the whole gateway." />
      {error && (
        <ErrorPanel
          title="The settings could not be read"
          error={error}
          retry={() => void Promise.all([settings.refetch(), schemas.refetch()])}
        />
      )}
      {!error && !(data && schemas.data) && <Loader aria-label="Loading the settings" />}
      {data && schemas.data && (
        <>
          <nav aria-label="Sections" className={classes.jumps}>
            {sections.map(([id, label]) => (
              <a key={id} href={`#${id}`}>
                {label}
              </a>
            ))}
          </nav>
          <div className="stack">
            <General key={contentOf(data)} settings={data} schemas={schemas.data} />
            <Sealing settings={data} />
            <SignIn schemas={schemas.data} origin={origin} />
            <Issuers schemas={schemas.data} />
            <Environment settings={data} />
          </div>
        </>
      )}
    </>
  );
}
