import { brief, changes } from "../../domain/diff";
import classes from "./Audit.module.css";

/** What differs between two states, field by field. */
export function Diff({ before, after }: { before: unknown; after: unknown }) {
  const found = changes(before, after);
  if (found.length === 0) return <span className="soft">No field differs.</span>;
  return (
    <div className="scroll-x" role="region" aria-label="What changed" tabIndex={0}>
      <table className={classes.diff}>
        <thead className="visually-hidden">
          <tr>
            <th>Field</th>
            <th>Before</th>
            <th>After</th>
          </tr>
        </thead>
        <tbody>
          {found.map((c) => (
            <tr key={c.path}>
              <th scope="row">{c.path}</th>
              <td className={c.before === undefined ? undefined : classes.before}>{brief(c.before)}</td>
              <td className={c.after === undefined ? undefined : classes.after}>{brief(c.after)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
