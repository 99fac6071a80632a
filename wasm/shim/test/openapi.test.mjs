import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";

const document = () => JSON.parse(readFileSync(new URL("../../../worker/openapi/openapi.json", import.meta.url), "utf8"));

// The schema is the OpenAPI Initiative's own. What the answers are checked against is Go's matter (worker/admin, scripts/contract).
test("/openapi.json is a valid document of OpenAPI 3.1", async () => {
  const { valid, errors } = await new Validator().validate(document());
  assert.deepEqual(errors, undefined);
  assert.ok(valid);
});

test("the check finds what is wrong", async () => {
  const broken = document();
  delete broken.paths["/v1/keys"].get.responses;
  broken.paths["/v1/keys"].get.parameters = [{ name: "x" }];
  const { valid } = await new Validator().validate(broken);
  assert.equal(valid, false);
});
