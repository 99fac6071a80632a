import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["node_modules/"] },
  js.configs.recommended,
  {
    languageOptions: {
      globals: { ...globals.serviceworker, Go: "readonly", IdentityTransformStream: "readonly", FixedLengthStream: "readonly" },
    },
    rules: { eqeqeq: "error", "no-var": "error", "prefer-const": "error" },
  },
  { files: ["**/*.test.mjs", "eslint.config.mjs"], languageOptions: { globals: globals.node } },
];
