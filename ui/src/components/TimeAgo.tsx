import { Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";

import { ago, exact } from "../domain/time";

/** A moment as "5 min. ago"; the exact time on hover and focus. */
export function TimeAgo({ time }: { time: string | number | null | undefined }) {
  const now = useNow(15_000);
  if (!time) return <span className="soft">never</span>;
  return (
    <Tooltip label={exact(time)}>
      <time dateTime={new Date(time).toISOString()} className="nowrap">
        {ago(time, now)}
      </time>
    </Tooltip>
  );
}

/** The time, renewed every so many milliseconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), every);
    return () => window.clearInterval(timer);
  }, [every]);
  return now;
}
