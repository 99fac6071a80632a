// Between the schemas and React Hook Form: a resolver checks a form as a whole, each message stands at its field.

import { get, set } from "react-hook-form";

import type { SchemaProblem } from "./jsonSchema";
import type { FieldErrors, FieldValues, Resolver } from "react-hook-form";

export interface FieldMessage<Name extends string = string> {
  name: Name;
  message: string;
}

/** Of several messages for one field the first is shown. */
export function resolverOf<Form extends FieldValues>(find: (values: Form) => FieldMessage[]): Resolver<Form> {
  return (values) => {
    const errors: FieldErrors = {};
    for (const { name, message } of find(values)) {
      if (get(errors, name) === undefined) set(errors, name, { type: "schema", message });
    }
    return Object.keys(errors).length > 0
      ? { values: {}, errors: errors as FieldErrors<Form> }
      : { values, errors: {} };
  };
}

const index = /^\d+$/;

/** The place of a problem as the name of a field. A list is one field: its message says which entry is meant. */
export function fieldMessage({ path, message }: Pick<SchemaProblem, "path" | "message">): FieldMessage {
  const last = path.at(-1) ?? "";
  if (!index.test(last)) return { name: path.join("."), message };
  return { name: path.slice(0, -1).join("."), message: `Entry ${Number(last) + 1}: ${message}` };
}
