import { Title } from "@mantine/core";

import classes from "./EmptyState.module.css";

import type { ReactNode } from "react";

/** What stands where there is nothing yet: what it is, and the first step. */
export function EmptyState({ title, children, action }: { title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <div className={classes.box}>
      <Title order={2}>{title}</Title>
      <div className={classes.text}>{children}</div>
      {action}
    </div>
  );
}
