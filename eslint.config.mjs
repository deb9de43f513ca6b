// What is wrong in JavaScript, and nothing about how it looks. Names that do not exist tsc finds: it knows browsers'.

import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";

export default defineConfig([
  globalIgnores(["**/.*/", "site/", "docs/assets/", "api/dashboard/built/"]),
  {
    files: ["**/*.{js,mjs}"],
    extends: [js.configs.recommended],
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-undef": "off",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", ignoreRestSiblings: true }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
]);
