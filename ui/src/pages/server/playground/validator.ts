// Checks the arguments of a tool against its JSON Schema. Ajv, which rjsf uses by default, compiles schemas by
// `new Function`, which the content security policy forbids; this interprets them.

import { createErrorHandler, toErrorSchema, unwrapErrorHandler, validationDataMerge } from "@rjsf/utils";

import { checker, fits } from "../../../domain/jsonSchema";

import type { SchemaProblem } from "../../../domain/jsonSchema";
import type { Schema } from "@cfworker/json-schema";
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

const problemsOf = (schema: RJSFSchema, data: unknown): SchemaProblem[] => checker(schema as Schema)(data);

/** As rjsf names places: ".a.0.b". */
function asFormError({ path, keyword, message }: SchemaProblem): RJSFValidationError {
  const property = path.map((name) => `.${name}`).join("");
  return { name: keyword, property, message, stack: property ? `${path.join(".")}: ${message}` : message };
}

class InterpretingValidator implements ValidatorType<unknown, RJSFSchema, FormContextType> {
  validateFormData(
    data: unknown,
    schema: RJSFSchema,
    customValidate?: CustomValidator,
    transform?: ErrorTransformer,
    uiSchema?: UiSchema,
  ): ValidationData<unknown> {
    let errors = problemsOf(schema, data).map(asFormError);
    if (transform) errors = transform(errors, uiSchema);
    const found: ValidationData<unknown> = { errors, errorSchema: toErrorSchema(errors) };
    if (typeof customValidate !== "function") return found;
    const handler = customValidate(data, createErrorHandler(data), uiSchema);
    return validationDataMerge(found, unwrapErrorHandler(handler));
  }

  isValid(schema: RJSFSchema, data: unknown, root: RJSFSchema): boolean {
    const whole = {
      ...schema,
      $defs: { ...root.$defs, ...schema.$defs },
      definitions: { ...root.definitions, ...schema.definitions },
    };
    return fits(whole as Schema, data);
  }

  rawValidation<Result>(schema: RJSFSchema, data: unknown): { errors?: Result[]; validationError?: Error } {
    try {
      return { errors: problemsOf(schema, data) as Result[] };
    } catch (error) {
      return { validationError: error instanceof Error ? error : new Error(String(error)) };
    }
  }
}

export const validator = new InterpretingValidator();

export default validator;
