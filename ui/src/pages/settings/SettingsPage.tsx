import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { settingsQuery } from "../../api/settings";
import { ErrorPanel } from "../../components/ErrorPanel";
import { PageHeader } from "../../components/PageHeader";
import { Environment } from "./Environment";
import { General } from "./General";
import { Sealing } from "./Sealing";

export function SettingsPage() {
  const { data, error, refetch } = useQuery(settingsQuery);
  return (
    <>
      <PageHeader title="Settings" about="What holds for the whole gateway." />
      {error && <ErrorPanel title="The settings could not be read" error={error} retry={() => void refetch()} />}
      {!data && !error && <Loader aria-label="Loading the settings" />}
      {data && (
        <div className="stack">
          <General key={data.version} settings={data} />
          <Sealing settings={data} />
          <Environment settings={data} />
        </div>
      )}
    </>
  );
}
