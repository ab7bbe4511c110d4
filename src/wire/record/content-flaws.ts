import { IsLiteral, IsObject, type TSchema } from 'typebox';
import type { Violation } from '../../domain/message.ts';
import { checked } from '../checked.ts';
import { checkOf, type SchemaCheck } from '../schema-check.ts';
import { sendContentSchema } from '../send/send-content.ts';

type Form = { readonly schema: TSchema; readonly check: SchemaCheck<TSchema> };

/** What the vendor's schema says of the contents of each type. */
const forms: ReadonlyMap<string, Form> = new Map(
  sendContentSchema.anyOf.flatMap(schema => {
    const type = IsObject(schema) ? schema.properties.type : undefined;
    return type !== undefined && IsLiteral(type) ? [[String(type.const), { schema, check: checkOf(schema) }]] : [];
  }),
);

/**
 * What in a content is not as the vendor's schema has it for its type: a field that is missing, or beyond its bounds.
 * Further fields are no flaw, and neither is a type that the vendor's schema does not have.
 */
export function contentFlaws(content: { readonly type: string }): readonly Violation[] {
  const form = forms.get(content.type);
  if (form === undefined || form.check.Check(content)) return [];
  const flaws: Violation[] = [];
  checked(form.schema, content, 'content', flaws, 'kept');
  return flaws;
}
