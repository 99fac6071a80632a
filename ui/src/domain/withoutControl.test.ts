import { expect, test } from "vitest";

import document from "../../../worker/openapi/openapi.json";
import { fieldOfPath } from "./serverForm";
import { policyFields } from "./toolPolicy";
import { withoutControl } from "./withoutControl";

interface Node {
  $ref?: string;
  readOnly?: boolean;
  properties?: Record<string, Node>;
}

/** The paths of everything in a schema that a request may set. Fields inside credentials repeat those outside it. */
function writable(node: Node, path: string[] = []): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, property]) => {
    if (property.readOnly) return [];
    const here = [...path, name];
    return property.properties ? writable(property, here) : [here.join(".")];
  });
}

const fields = writable(document.components.schemas.Server as Node);
const policy: readonly string[] = policyFields;

test("every field of a server that can be set has a control, or a reason why not", () => {
  const open = fields.filter((f) => !policy.includes(f) && !withoutControl[f] && !fieldOfPath(f));
  expect(fields.length).toBeGreaterThan(50);
  expect(open).toEqual([]);
});

test("no reason is given for what has a control, nor for what is no field", () => {
  const reasons = Object.keys(withoutControl).filter((f) => f !== "credentials");
  expect(reasons.filter((f) => !fields.includes(f))).toEqual([]);
  expect(reasons.filter((f) => policy.includes(f))).toEqual([]);
});
