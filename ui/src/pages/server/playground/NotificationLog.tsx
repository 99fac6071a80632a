import classes from "./Playground.module.css";

import type { Notification } from "../../../api/tools";

interface Props {
  notifications: Notification[];
  /** While the tool works: without being asked for. */
  open?: boolean;
}

/** What the server told while it worked, in its order. */
export function NotificationLog({ notifications, open }: Props) {
  if (notifications.length === 0) return null;
  const list = (
    <ol className={classes.log}>
      {notifications.map((n, i) => (
        <li key={i}>{textOf(n)}</li>
      ))}
    </ol>
  );
  if (open) return list;
  const count = notifications.length;
  return (
    <details>
      <summary>
        {count} {count === 1 ? "message" : "messages"} while it worked
      </summary>
      {list}
    </details>
  );
}

function textOf(n: Notification): string {
  if ("progress" in n) {
    const { progress, total, message } = n.progress;
    return `Progress ${progress}${total === undefined ? "" : ` of ${total}`}${message ? `: ${message}` : ""}`;
  }
  const { level, logger, data } = n.log;
  return `Log ${level}${logger ? `, ${logger}` : ""}: ${typeof data === "string" ? data : JSON.stringify(data)}`;
}
