// The schemas of the running gateway: what its API checks requests and imported files against, its forms check as well.

import { queryOptions, useQuery } from "@tanstack/react-query";

import { checker } from "../domain/jsonSchema";
import { request } from "./client";

import type { SchemaProblem } from "../domain/jsonSchema";
import type { Schema } from "@cfworker/json-schema";
import type { components } from "./schema.gen";

export type SchemaName = keyof components["schemas"];

export interface Document {
  components: { schemas: Record<string, Schema> };
}

/** The schemas of an OpenAPI document. */
export class Schemas {
  readonly #document: Document;
  readonly #checkers = new Map<string, (value: unknown) => SchemaProblem[]>();

  constructor(document: Document) {
    this.#document = document;
  }

  /**
   * What is wrong with the body of a change. As the gateway does, it takes a null as "reset" and asks for no field:
   * which ones must be there depends on what is stored.
   */
  check(name: SchemaName, body: Record<string, unknown>): SchemaProblem[] {
    let check = this.#checkers.get(name);
    if (!check) {
      check = checker({ $ref: `#/components/schemas/${name}`, components: this.#document.components } as Schema);
      this.#checkers.set(name, check);
    }
    const sent = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null && value !== undefined));
    return check(sent).filter((p) => p.keyword !== "required" || p.path.length > 1);
  }

  /** The values that a property may have, by its path of property names; entries of a list are gone through. */
  choices(name: SchemaName, ...path: string[]): string[] {
    let node: Schema | undefined = this.#document.components.schemas[name];
    for (const property of path) {
      const of = (node?.items as Schema | undefined) ?? node;
      node = of?.properties?.[property] as Schema | undefined;
    }
    const found = (node?.items as Schema | undefined) ?? node;
    return (found?.enum as string[] | undefined) ?? [];
  }
}

export const schemasQuery = queryOptions({
  queryKey: ["openapi"],
  queryFn: async ({ signal }) => new Schemas(await request<Document>("/openapi.json", { signal })),
  staleTime: Infinity,
  gcTime: Infinity,
  structuralSharing: false,
});

/** The schemas, as soon as they are there. */
export const useSchemas = (): Schemas | undefined => useQuery(schemasQuery).data;
