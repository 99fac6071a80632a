import { CopyButton } from "./CopyButton";
import classes from "./Json.module.css";

/** A value as indented JSON, to read and to copy. */
export function Json({ value, label, tall }: { value: unknown; label: string; tall?: boolean }) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return <Code text={text} label={label} tall={tall} />;
}

/** Text in a fixed-width font with a button that copies it. */
export function Code({ text, label, tall }: { text: string; label: string; tall?: boolean }) {
  return (
    <div className={classes.box}>
      <div className={classes.copy}>
        <CopyButton value={text} label={`Copy ${label}`} />
      </div>
      <pre className={classes.text} data-tall={tall || undefined} tabIndex={0} aria-label={label} role="region">
        {text}
      </pre>
    </div>
  );
}
