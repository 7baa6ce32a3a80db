// SPDX-License-Identifier: Apache-2.0
// Whether the document on stdin is OpenAPI 3.1 by the specification's own schema: exit code 0, or 1 and what is wrong.
import { Validator } from "@seriousme/openapi-schema-validator";
import { readFileSync } from "node:fs";

const validator = new Validator();
const result = await validator.validate(JSON.parse(readFileSync(0, "utf8")));
if (result.valid && validator.version === "3.1") process.exit(0);
console.error(`version ${validator.version}: ${JSON.stringify(result.errors, null, 1)}`);
process.exit(1);
