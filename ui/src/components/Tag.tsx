import classes from "./Tag.module.css";

import type { ReactNode } from "react";

export type Tone = "good" | "warn" | "bad" | "info" | "plain" | "violet";

/** A short word in a coloured box. The colour only repeats what the word says. */
export function Tag({ tone = "plain", children, icon }: { tone?: Tone; children: ReactNode; icon?: ReactNode }) {
  return (
    <span className={classes.tag} data-tone={tone}>
      {icon}
      {children}
    </span>
  );
}
