import document from "../../../worker/openapi/openapi.json";
import { Schemas } from "../api/schemas";

import type { Document } from "../api/schemas";

/** The schemas that the gateway serves. */
export const schemas = new Schemas(document as unknown as Document);
