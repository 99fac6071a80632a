import { expect, test } from "vitest";

import { validator } from "./validator";

import type { RJSFSchema } from "@rjsf/utils";

const schema: RJSFSchema = {
  type: "object",
  required: ["city"],
  properties: {
    city: { type: "string", minLength: 2 },
    unit: { enum: ["C", "F"] },
    days: { type: "array", items: { $ref: "#/$defs/day" } },
  },
  $defs: { day: { type: "object", required: ["n"], properties: { n: { type: "integer", minimum: 1 } } } },
};

test.each<[string, unknown, string[]]>([
  ["valid", { city: "Bern", unit: "C", days: [{ n: 1 }] }, []],
  ["a missing field is named", {}, [".city"]],
  ["too short", { city: "B" }, [".city"]],
  ["not of the list", { city: "Bern", unit: "K" }, [".unit"]],
  ["inside a list, through a reference", { city: "Bern", days: [{ n: 1 }, { n: 0 }] }, [".days.1.n"]],
])("%s", (_, data, properties) => {
  const { errors } = validator.validateFormData(data, schema);
  expect(errors.map((e) => e.property)).toEqual(properties);
});

test("a branch with a reference to the root is resolved", () => {
  expect(validator.isValid({ $ref: "#/$defs/day" }, { n: 2 }, schema)).toBe(true);
  expect(validator.isValid({ $ref: "#/$defs/day" }, { n: "x" }, schema)).toBe(false);
});
