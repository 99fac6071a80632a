import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";

import { renderPage } from "../test/render";
import { SubmitButton } from "./SubmitButton";

test("a click submits without leaving the field first", async () => {
  const submitted = vi.fn();
  const left = vi.fn();
  renderPage(
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submitted();
      }}
    >
      <input aria-label="Issuer" onBlur={left} />
      <SubmitButton>Turn on</SubmitButton>
    </form>,
  );
  await userEvent.type(screen.getByLabelText("Issuer"), "x");
  await userEvent.click(screen.getByRole("button", { name: "Turn on" }));
  expect(submitted).toHaveBeenCalledOnce();
  expect(left).not.toHaveBeenCalled();
});
