import { Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { serversQuery } from "../../api/servers";
import { Check, Tags } from "./fields";

export function Access() {
  const { data } = useQuery(serversQuery);
  const groups = [...new Set((data ?? []).flatMap((s) => s.mcp_access_groups ?? []))].sort();
  return (
    <section className="panel stack" aria-labelledby="access">
      <Title order={2} id="access">
        Who may use it
      </Title>
      <div className="fields">
        <Tags
          name="groups"
          label="Access groups"
          description="Keys are granted groups; a new name makes a new group."
          suggestions={groups}
          placeholder="engineering"
        />
        <Check
          name="allow_all_keys"
          label="Every valid key may use this server"
          description="Otherwise only keys that are granted it, or one of its groups."
        />
        <Check name="enabled" label="Enabled" description="Calls to a disabled server are refused." />
      </div>
    </section>
  );
}
