import { Title } from "@mantine/core";
import { useEffect } from "react";

import classes from "./PageHeader.module.css";

import type { ReactNode } from "react";

/** The title of a page, what it is for, and its main actions. */
export function PageHeader({
  title,
  about,
  actions,
  above,
}: {
  title: string;
  about?: ReactNode;
  actions?: ReactNode;
  above?: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Grantway`;
  }, [title]);
  return (
    <div className={classes.header}>
      <div className={classes.text}>
        {above}
        <Title order={1}>{title}</Title>
        {about && <div className={classes.about}>{about}</div>}
      </div>
      {actions && <div className={classes.actions}>{actions}</div>}
    </div>
  );
}
