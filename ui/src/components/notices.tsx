import { notifications } from "@mantine/notifications";

import { ApiError } from "../api/client";
import { messageOf } from "./ErrorPanel";

/** Says that something was done. */
export function done(message: string): void {
  notifications.show({ message, color: "brand", withBorder: true, closeButtonProps: { "aria-label": "Dismiss" } });
}

/** Says that something failed, with the request id. Stays until it is dismissed. */
export function failed(title: string, error: unknown): void {
  const id = error instanceof ApiError ? error.requestId : undefined;
  notifications.show({
    title,
    message: id ? `${messageOf(error)} (request ${id})` : messageOf(error),
    color: "red",
    withBorder: true,
    autoClose: false,
    closeButtonProps: { "aria-label": "Dismiss" },
  });
}
