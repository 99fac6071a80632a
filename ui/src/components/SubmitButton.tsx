import { Button, type ButtonProps } from "@mantine/core";
import type { ComponentProps } from "react";

/**
 * Submits its form. Pressing it leaves the focus where it is: the message that a field shows as it is left would move the
 * button away under the pointer, and the click would be lost.
 */
export function SubmitButton(
  props: ButtonProps & Omit<ComponentProps<"button">, "type" | "onMouseDown" | keyof ButtonProps>,
) {
  return (
    <Button
      {...props}
      type="submit"
      onMouseDown={(event) => {
        event.preventDefault();
      }}
    />
  );
}
