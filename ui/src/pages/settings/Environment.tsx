import { Checkbox, TextInput, Title } from "@mantine/core";
import { useState } from "react";

import { IconSearch } from "../../components/icons";
import { Tag } from "../../components/Tag";

import type { Settings } from "../../api/types";

/** The limits and times that the environment sets, with their defaults. */
export function Environment({ settings }: { settings: Settings }) {
  const [search, setSearch] = useState("");
  const [own, setOwn] = useState(false);
  const rows = (settings.environment ?? []).filter(
    (v) => `${v.name} ${v.description}`.toLowerCase().includes(search.toLowerCase()) && (!own || v.value !== v.default),
  );
  return (
    <section className="panel stack" aria-labelledby="limits">
      <Title order={2} id="limits">
        Limits and times
      </Title>
      <span className="soft">Set by environment variables when the gateway starts; shown here as they hold now.</span>
      <div className="row">
        <TextInput
          className="grow"
          type="search"
          aria-label="Search limits"
          placeholder="Search"
          leftSection={<IconSearch size={16} />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          maw={360}
        />
        <Checkbox
          label="Only those that were changed"
          checked={own}
          onChange={(event) => setOwn(event.currentTarget.checked)}
        />
      </div>
      <div className="scroll-x" tabIndex={0} role="region" aria-label="Limits and times">
        <table className="table">
          <thead>
            <tr>
              <th>Variable</th>
              <th className="number">Value</th>
              <th>What it is</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((v) => (
              <tr key={v.name}>
                <td>
                  <code className="nowrap">{v.name}</code>
                </td>
                <td className="number">
                  {v.value} {v.value !== v.default && <Tag tone="info">default {v.default}</Tag>}
                </td>
                <td className="soft">{v.description}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {rows.length === 0 && <p className="soft">Nothing matches.</p>}
      </div>
    </section>
  );
}
