import { expect, test } from "vitest";

import { environmentNames } from "./environment";

test("the names are found once each, in order", () => {
  expect(environmentNames("a: os.environ/B_KEY\nb: ${env:A}\nc: ${C} os.environ/B_KEY $D")).toEqual([
    "A",
    "B_KEY",
    "C",
  ]);
  expect(environmentNames("nothing")).toEqual([]);
});
