import { IsArray, IsInteger, IsLiteral, IsNumber, IsObject, IsUnion, type TSchema } from 'typebox';
import type { Violation } from '../domain/message.ts';
import { shownName, unknownName } from './nearest.ts';
import { violationsToldMax } from './parsed.ts';
import { isPlainObject } from './record-flaws.ts';
import { checkOf, type SchemaCheck } from './schema-check.ts';

/**
 * Looks at a value by its schema and tells everything that is wrong, each at its path, as "must be" with the description
 * of the schema there. Of a union of objects the one with the value's `type` holds. A `null` field counts as absent.
 * `further` fields are refused, or kept.
 * Gives the value without its `null` fields; it fits the schema when no violation was added.
 */
export function checked(
  schema: TSchema,
  value: unknown,
  path: string,
  violations: Violation[],
  further: 'refused' | 'kept' = 'refused',
): unknown {
  const refuse = (at: string, violation: string): undefined => {
    if (violations.length < violationsToldMax) violations.push({ property: at || 'body', violation });
  };
  if (IsUnion(schema)) return checkedOneOf(schema.anyOf, value, path, violations, further);
  if (IsObject(schema)) {
    if (!isPlainObject(value)) return refuse(path, ruleOf(schema));
    return checkedFields(schema, value, path, violations, further);
  }
  if (IsArray(schema)) {
    if (!Array.isArray(value) || !isWithin(value.length, schema, 'minItems', 'maxItems'))
      return refuse(path, ruleOf(schema));
    return value.map((one: unknown, index) => checked(schema.items, one, `${path}[${index}]`, violations, further));
  }
  if (!fitsLeaf(schema, value)) return refuse(path, ruleOf(schema));
  return value;
}

function checkedFields(
  schema: TSchema & { readonly properties: Readonly<Record<string, TSchema>>; readonly required?: readonly string[] },
  value: Readonly<Record<string, unknown>>,
  path: string,
  violations: Violation[],
  further: 'refused' | 'kept',
): object {
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  const refuse = (name: string, violation: string) => {
    if (violations.length < violationsToldMax) violations.push({ property: at(name), violation });
  };
  const sound: [string, unknown][] = [];
  for (const [name, inner] of Object.entries(value)) {
    const field = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    if (field !== undefined && (inner === null || inner === undefined)) continue;
    if (field !== undefined) sound.push([name, checked(field, inner, at(name), violations, further)]);
    else if (further === 'kept') sound.push([name, inner]);
    // What is nearest is looked for only where it is told: there may be a hundred thousand names.
    else if (violations.length < violationsToldMax)
      refuse(shownName(name), unknownName(name, Object.keys(schema.properties), 'field'));
  }
  for (const name of schema.required ?? [])
    if (value[name] === undefined || value[name] === null) refuse(name, 'is required');
  return Object.fromEntries(sound);
}

function checkedOneOf(
  options: readonly TSchema[],
  value: unknown,
  path: string,
  violations: Violation[],
  further: 'refused' | 'kept',
): unknown {
  const refuse = (at: string, violation: string): undefined => {
    if (violations.length < violationsToldMax) violations.push({ property: at || 'body', violation });
  };
  const types = options.map(typeOf);
  if (!isPlainObject(value)) return refuse(path, `must be an object with a type: ${types.join(', ')}`);
  const property = path === '' ? 'type' : `${path}.type`;
  if (value.type === undefined || value.type === null) return refuse(property, 'is required');
  const chosen = typeof value.type === 'string' ? options[types.indexOf(value.type)] : undefined;
  if (chosen === undefined) return refuse(property, `must be one of ${types.join(', ')}`);
  return checked(chosen, value, path, violations, further);
}

/** The one `type` that an option of a union has. */
function typeOf(option: TSchema): string {
  const type = IsObject(option) ? option.properties.type : undefined;
  if (type === undefined || !IsLiteral(type)) throw new TypeError('an option of a union has no type of its own');
  return String(type.const);
}

/**
 * Tells whether `checked` would find nothing wrong with a value and give it as it is: of what is sound, and that is nearly
 * everything, no more need be looked at, which takes a tenth of the time.
 */
export function soundCheckOf<Schema extends TSchema>(schema: Schema): SchemaCheck<Schema> {
  return checkOf<Schema>(closed(schema));
}

/** The schema with no further fields in any of its objects. */
function closed<Schema extends TSchema>(schema: Schema): Schema {
  if (IsUnion(schema)) return { ...schema, anyOf: schema.anyOf.map(closed) };
  if (IsArray(schema)) return { ...schema, items: closed(schema.items) };
  if (!IsObject(schema)) return schema;
  const properties = Object.entries(schema.properties).map(([name, field]) => [name, closed(field)] as const);
  return { ...schema, properties: Object.fromEntries(properties), additionalProperties: false };
}

const validators = new WeakMap<TSchema, SchemaCheck<TSchema>>();

/** Lengths are counted in code points, as the description of the API has them. */
function fitsLeaf(schema: TSchema, value: unknown): boolean {
  if ((IsNumber(schema) || IsInteger(schema)) && typeof value !== 'number') return false;
  let validator = validators.get(schema);
  if (validator === undefined) {
    validator = checkOf(schema);
    validators.set(schema, validator);
  }
  return validator.Check(value);
}

function ruleOf(schema: TSchema): string {
  return `must be ${'description' in schema ? String(schema.description) : 'valid'}`;
}

function isWithin(length: number, schema: TSchema, min: string, max: string): boolean {
  const bound = (name: string, absent: number) => Number(Reflect.get(schema, name) ?? absent);
  return length >= bound(min, 0) && length <= bound(max, Number.POSITIVE_INFINITY);
}
