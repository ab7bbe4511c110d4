import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/** Tells what fits a schema. */
export type SchemaCheck<Schema extends TSchema> = { Check(value: unknown): value is Static<Schema> };

/** Compiles the schema when the first value is looked at: to compile all of them takes a tenth of a start. */
export function checkOf<Schema extends TSchema>(schema: Schema): SchemaCheck<Schema> {
  let check: ((value: unknown) => boolean) | undefined;
  return {
    Check: (value): value is Static<Schema> => {
      if (check === undefined) {
        const validator = Compile(schema);
        check = one => validator.Check(one);
      }
      return check(value);
    },
  };
}
