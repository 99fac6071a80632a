import { Check, Long, Pairs, Tags, Text } from "./fields";
import classes from "./ServerFormPage.module.css";

const single: Parameters<typeof Text>[0][] = [
  {
    name: "timeout",
    label: "Timeout (seconds)",
    inputMode: "decimal",
    description: "Until the server begins to answer. Blank: the gateway's default.",
  },
  {
    name: "max_concurrent_requests",
    label: "Requests at once",
    inputMode: "numeric",
    description: "Blank: the gateway's default.",
  },
  {
    name: "list_cache_seconds",
    label: "Lists are remembered for (seconds)",
    inputMode: "numeric",
    description: "Tools, prompts and resources of a server that does not say it itself.",
  },
  {
    name: "default_cost",
    label: "Cost of a call",
    inputMode: "decimal",
    description: "In your currency; single tools can differ (Tools tab).",
  },
  { name: "alias", label: "Alias", description: "A further name by which callers may address it." },
  {
    name: "source_url",
    label: "Source",
    mono: true,
    inputMode: "url",
    description: "Where its code or documentation is, for people.",
  },
  { name: "logo_url", label: "Logo", mono: true, inputMode: "url", description: "Address of an image (https)." },
];

/** What few servers need. */
export function More() {
  return (
    <details className={`panel ${classes.more}`}>
      <summary>Headers, limits, cost, appearance</summary>
      <div className="fields">
        <Pairs
          name="static_headers"
          label="Headers that are always sent"
          description="Values of sensitive names (authorization, cookie, key, token, secret) are sealed and shown as ***."
          add="Add a header"
        />
        <Tags
          name="forward_headers"
          words
          label="Headers of the caller that are passed on"
          description="By name. The caller's credential never is."
          placeholder="X-Tenant"
        />
        {single.map((field) => (
          <Text key={field.name} {...field} />
        ))}
        <Check
          name="empty_prefix"
          label="No prefix before its tools"
          description="At /mcp, where all servers are one; for one server at most."
        />
        <div className="wide">
          <Long
            name="instructions"
            label="Instructions"
            description="Told to clients together with the server's own."
          />
        </div>
      </div>
    </details>
  );
}
