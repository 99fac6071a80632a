import { ApiError } from "../api/client";
import { fieldMessage } from "../domain/resolver";

import type { FieldProblem } from "../api/client";
import type { FieldPath, FieldValues, UseFormSetError } from "react-hook-form";

/** The names of fields that a form's own are called by the API, "grants[0].claim" as "grants.0.claim". */
export const fieldOf = (problem: FieldProblem): string =>
  fieldMessage({ path: problem.path.replaceAll("[", ".").replaceAll("]", "").split("."), message: "" }).name;

/**
 * Puts the gateway's messages on their fields, and the focus on the first. Answers what is left to be said: the error
 * without the messages that were placed, or undefined if all were.
 */
export function placeProblems<Form extends FieldValues>(
  error: unknown,
  setError: UseFormSetError<Form>,
  nameOf: (problem: FieldProblem) => FieldPath<Form> | undefined,
): ApiError | undefined {
  if (!(error instanceof ApiError)) {
    return new ApiError(0, "unexpected", error instanceof Error ? error.message : String(error));
  }
  let focus = true;
  const left = error.fields.filter((problem) => {
    const name = nameOf(problem);
    if (name === undefined) return true;
    setError(name, { type: "gateway", message: problem.message }, { shouldFocus: focus });
    focus = false;
    return false;
  });
  if (error.fields.length > 0 && left.length === 0) return undefined;
  return new ApiError(error.status, error.code, error.message, error.requestId, left, error.body, error.retryAfter);
}
