import { Tag } from "../../components/Tag";
import { brief } from "../../domain/diff";
import classes from "./Transfer.module.css";

import type { ImportResult } from "../../api/types";

const actions = {
  create: { label: "New", tone: "good" },
  update: { label: "Changed", tone: "info" },
  unchanged: { label: "Unchanged", tone: "plain" },
  delete: { label: "Deleted", tone: "bad" },
  skip: { label: "Skipped", tone: "plain" },
} as const;

type Field = NonNullable<ImportResult["changes"][number]["fields"]>[number];

const blank = (value: unknown) =>
  value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0);

/** A field that is empty before and after tells nothing. */
const tells = (field: Field) => !blank(field.before) || !blank(field.after);

/** What an import does or would do, thing by thing and field by field. */
export function ImportPlan({ result }: { result: ImportResult }) {
  return (
    <div className="stack" role="status">
      {result.problems.length > 0 && (
        <div className={classes.bad}>
          <strong>Nothing can be imported until this is mended:</strong>
          <ul>
            {result.problems.map((p) => (
              <li key={p.path + p.code}>
                <code>{p.path}</code>: {p.message}
              </li>
            ))}
          </ul>
        </div>
      )}
      {result.warnings.length > 0 && (
        <div className={classes.warn}>
          <strong>Take note:</strong>
          <ul>
            {result.warnings.map((p) => (
              <li key={p.path + p.code}>
                <code>{p.path}</code>: {p.message}
              </li>
            ))}
          </ul>
        </div>
      )}
      <ul className={classes.changes} aria-label={result.applied ? "What was imported" : "What would change"}>
        {result.changes.map((c) => (
          <li key={`${c.kind}${c.slug ?? ""}${c.name}`}>
            <div className="row">
              <Tag tone={actions[c.action].tone}>{actions[c.action].label}</Tag>
              <strong>{c.name}</strong>
              <span className="soft">{c.kind === "key" ? "access key" : `server ${c.slug ?? ""}`}</span>
            </div>
            {c.fields?.some(tells) && (
              <dl className={`facts ${classes.fields ?? ""}`}>
                {c.fields.filter(tells).map((f) => (
                  <div key={f.path} className={classes.contents}>
                    <dt>
                      <code>{f.path}</code>
                    </dt>
                    <dd>
                      {f.before !== undefined && f.before !== null && (
                        <del className={classes.before}>{brief(f.before)}</del>
                      )}{" "}
                      {f.after !== undefined && f.after !== null && (
                        <ins className={classes.after}>{brief(f.after)}</ins>
                      )}
                    </dd>
                  </div>
                ))}
              </dl>
            )}
          </li>
        ))}
        {result.changes.length === 0 && <li className="soft">The file holds no server and no key.</li>}
      </ul>
    </div>
  );
}
