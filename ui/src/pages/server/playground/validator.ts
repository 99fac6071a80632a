// Checks the arguments of a tool against its JSON Schema. Ajv, which rjsf uses by default, compiles schemas by
// `new Function`, which the content security policy forbids; this interprets them.

import { Validator } from "@cfworker/json-schema";
import { createErrorHandler, toErrorSchema, unwrapErrorHandler, validationDataMerge } from "@rjsf/utils";

import type { OutputUnit, Schema } from "@cfworker/json-schema";
import type {
  CustomValidator,
  ErrorTransformer,
  FormContextType,
  RJSFSchema,
  RJSFValidationError,
  UiSchema,
  ValidationData,
  ValidatorType,
} from "@rjsf/utils";

/** Says the same again one level up, of an error further down. */
const containers = new Set([
  "properties",
  "items",
  "prefixItems",
  "allOf",
  "anyOf",
  "oneOf",
  "$ref",
  "if",
  "then",
  "else",
  "additionalProperties",
  "dependentSchemas",
  "patternProperties",
]);

function errorsOf(schema: RJSFSchema, data: unknown): OutputUnit[] {
  const { errors } = new Validator(schema as Schema, "2020-12", false).validate(data);
  const leaves = errors.filter((e) => !containers.has(e.keyword));
  return leaves.length > 0 ? leaves : errors.slice(0, 1);
}

/** "#/a/0/b" as rjsf names it: ".a.0.b". */
const propertyOf = (pointer: string): string =>
  pointer
    .replace(/^#/, "")
    .split("/")
    .filter(Boolean)
    .map((s) => `.${decodeURIComponent(s).replaceAll("~1", "/").replaceAll("~0", "~")}`)
    .join("");

function asFormError(unit: OutputUnit): RJSFValidationError {
  const property = propertyOf(unit.instanceLocation);
  const missing = unit.keyword === "required" ? /property "(.+?)"/.exec(unit.error)?.[1] : undefined;
  if (missing !== undefined) {
    return {
      name: "required",
      property: `${property}.${missing}`,
      message: "This is required.",
      stack: `${missing} is required.`,
    };
  }
  const message = unit.error.replace(/^Instance /, "This ").replace("does not match", "is not one of");
  return { name: unit.keyword, property, message, stack: property ? `${property.slice(1)}: ${message}` : message };
}

class InterpretingValidator implements ValidatorType<unknown, RJSFSchema, FormContextType> {
  validateFormData(
    data: unknown,
    schema: RJSFSchema,
    customValidate?: CustomValidator,
    transform?: ErrorTransformer,
    uiSchema?: UiSchema,
  ): ValidationData<unknown> {
    let errors = errorsOf(schema, data).map(asFormError);
    if (transform) errors = transform(errors, uiSchema);
    const found: ValidationData<unknown> = { errors, errorSchema: toErrorSchema(errors) };
    if (typeof customValidate !== "function") return found;
    const handler = customValidate(data, createErrorHandler(data), uiSchema);
    return validationDataMerge(found, unwrapErrorHandler(handler));
  }

  isValid(schema: RJSFSchema, data: unknown, root: RJSFSchema): boolean {
    try {
      const whole = {
        ...schema,
        $defs: { ...root.$defs, ...schema.$defs },
        definitions: { ...root.definitions, ...schema.definitions },
      };
      return new Validator(whole as Schema, "2020-12").validate(data).valid;
    } catch {
      return false;
    }
  }

  rawValidation<Result>(schema: RJSFSchema, data: unknown): { errors?: Result[]; validationError?: Error } {
    try {
      return { errors: errorsOf(schema, data) as Result[] };
    } catch (error) {
      return { validationError: error instanceof Error ? error : new Error(String(error)) };
    }
  }
}

export const validator = new InterpretingValidator();

export default validator;
