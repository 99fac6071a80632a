import { useState } from "react";

import classes from "./Logo.module.css";

/** A server's logo, or its initial where it has none or it does not load. */
export function Logo({ name, url }: { name: string; url?: string }) {
  const [broken, setBroken] = useState<string>();
  if (url && broken !== url) {
    return (
      <img
        src={url}
        alt=""
        className={classes.logo}
        width={28}
        height={28}
        loading="lazy"
        onError={() => setBroken(url)}
      />
    );
  }
  return (
    <span className={classes.initial} aria-hidden>
      {name.trim().charAt(0).toUpperCase() || "?"}
    </span>
  );
}
