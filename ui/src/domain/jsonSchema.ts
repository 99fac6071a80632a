// Values checked against JSON Schemas (draft 2020-12), with messages for people. Interpreted: validators that compile
// schemas do it by `new Function`, which the content security policy forbids.

import { Validator } from "@cfworker/json-schema";

import type { OutputUnit, Schema } from "@cfworker/json-schema";

export interface SchemaProblem {
  /** Where in the value, from its root. */
  path: string[];
  keyword: string;
  message: string;
}

/** Says the same again one level up, of an error further down. */
const containers = new Set([
  "$ref",
  "additionalProperties",
  "allOf",
  "anyOf",
  "dependentSchemas",
  "else",
  "if",
  "items",
  "oneOf",
  "patternProperties",
  "prefixItems",
  "properties",
  "propertyNames",
  "then",
]);

const parts = (pointer: string): string[] =>
  pointer
    .replace(/^#\/?/, "")
    .split("/")
    .filter(Boolean)
    .map((s) => decodeURIComponent(s).replaceAll("~1", "/").replaceAll("~0", "~"));

type Node = Record<string, unknown>;

const step = (node: unknown, name: string): unknown => (node as Node | undefined)?.[name];

/** The schema that a keyword stands in; the location leads through references. */
function schemaAt(root: Schema, keywordLocation: string): Node {
  let node: unknown = root;
  for (const name of parts(keywordLocation).slice(0, -1)) {
    node = name === "$ref" ? parts(String(step(node, "$ref"))).reduce(step, root as unknown) : step(node, name);
  }
  return (node ?? {}) as Node;
}

/** What a value does to offend a schema, each thing once. */
export function checker(schema: Schema): (value: unknown) => SchemaProblem[] {
  const validator = new Validator(schema, "2020-12", false);
  return (value) => {
    const { errors } = validator.validate(value);
    const leaves = errors.filter((e) => !containers.has(e.keyword));
    return (leaves.length > 0 ? leaves : errors.slice(0, 1)).map((unit) => problemOf(unit, schema, value));
  };
}

/** Does the value fit? A schema that cannot be read fits nothing. */
export function fits(schema: Schema, value: unknown): boolean {
  try {
    return new Validator(schema, "2020-12").validate(value).valid;
  } catch {
    return false;
  }
}

function problemOf(unit: OutputUnit, root: Schema, value: unknown): SchemaProblem {
  const path = parts(unit.instanceLocation);
  const { keyword } = unit;
  if (keyword === "required") {
    const missing = /property "(.+)"/.exec(unit.error)?.[1];
    if (missing !== undefined) return { path: [...path, missing], keyword, message: "Fill this in." };
  }
  const at = path.reduce<unknown>(step, value);
  const schema = schemaAt(root, unit.keywordLocation);
  return { path, keyword, message: messageOf(keyword, schema, at) ?? unit.error.replace(/^Instance /, "This ") };
}

/** What a text with this format looks like. Formats of the gateway's own stand beside a pattern in its schemas. */
const formats: Record<string, string> = {
  "http-url": "Enter a whole URL, such as https://example.com/mcp, without user, password and #.",
  resource: "Enter a whole URL, or the word auto.",
  slug: "Small letters, digits, - _ and ., with a letter or digit at both ends.",
  line: "Only one line of text fits here.",
  "header-name": "A header's name is made of letters, digits and -.",
  "scope-token": "A scope has no spaces, quotation marks or backslashes.",
  "date-time": "Enter a time, such as 2027-01-31T12:00:00Z.",
  date: "Enter a date, such as 2027-01-31.",
  email: "Enter an e-mail address.",
  uri: "Enter a URL.",
  uuid: "Enter a UUID.",
};

const types: Record<string, string> = {
  integer: "a whole number",
  number: "a number",
  string: "a text",
  boolean: "yes or no",
  array: "a list",
  object: "an object",
  null: "nothing",
};

const list = (values: unknown): string => (values as unknown[]).map((v) => String(v)).join(", ");

function messageOf(keyword: string, schema: Node, value: unknown): string | undefined {
  const n = Number(schema[keyword]);
  const entries = n === 1 ? "entry" : "entries";
  switch (keyword) {
    case "type":
      return `Enter ${[schema.type]
        .flat()
        .map((t) => types[String(t)] ?? String(t))
        .join(" or ")}.`;
    case "enum":
      return `Choose one of ${list(schema.enum)}.`;
    case "const":
      return `This must be ${JSON.stringify(schema.const)}.`;
    case "minLength":
      return n === 1 ? "Fill this in." : `At least ${n} characters.`;
    case "maxLength":
      return `At most ${n} characters; these are ${[...String(value)].length}.`;
    case "pattern":
    case "format":
      return (
        formats[String(schema.format)] ??
        (keyword === "pattern" ? `This must look like ${String(schema.pattern)}.` : undefined)
      );
    case "minimum":
    case "maximum":
      if (schema.minimum !== undefined && schema.maximum !== undefined)
        return `Enter a number from ${String(schema.minimum)} to ${String(schema.maximum)}.`;
      return keyword === "minimum" ? `${n} or more.` : `${n} or less.`;
    case "exclusiveMinimum":
      return `More than ${n}.`;
    case "exclusiveMaximum":
      return `Less than ${n}.`;
    case "multipleOf":
      return `A multiple of ${n}.`;
    case "minItems":
    case "minProperties":
      return `At least ${n} ${entries}.`;
    case "maxItems":
    case "maxProperties":
      return `At most ${n} ${entries}.`;
    case "uniqueItems":
      return "Every entry once only.";
    case "not":
      return `${String(value)} cannot be used: it has a meaning of its own.`;
    case "false":
      return "There is no such field.";
  }
  return undefined;
}
