import Type, { IsObject, IsString, IsUnion, type Static, type TObject, type TSchema } from 'typebox';
import type { Violation } from '../domain/message.ts';
import { recordSchema } from './log-schemas.ts';
import { shownName, unknownName } from './nearest.ts';
import { violationsToldMax } from './parsed.ts';
import { checkOf } from './schema-check.ts';

const partialRecordSchema = Type.Partial(recordSchema);
type PartialRecord = Static<typeof partialRecordSchema>;

/** What of a record is sound by its schema, and what is wrong with the rest. */
export type FlawedRecord = { readonly sound: PartialRecord; readonly violations: readonly Violation[] };

type FieldRule = {
  readonly required: boolean;
  readonly rule: string;
  readonly check: (value: unknown) => boolean;
  /** Whether a value stands for none. */
  readonly isAbsent: (value: unknown) => boolean;
  /** The rules of the fields inside, where the field may be an object. */
  readonly inside?: FieldRules;
};

type FieldRules = {
  readonly fields: ReadonlyMap<string, FieldRule> /** Other fields are welcome. */;
  readonly open: boolean;
};

/** Fields whose own fields are mostly free. */
const openFields: ReadonlySet<string> = new Set(['content']);

const rules = rulesOf(recordSchema, false);
const partialRecordCheck = checkOf(partialRecordSchema);

function rulesOf(schema: TObject, open: boolean): FieldRules {
  const required = new Set<string>(schema.required);
  const properties = Object.entries<TSchema>(schema.properties);
  return { fields: new Map(properties.map(([name, field]) => [name, ruleOf(name, field, required.has(name))])), open };
}

function ruleOf(name: string, schema: TSchema, required: boolean): FieldRule {
  const validator = checkOf(schema);
  const object = objectForm(schema);
  return {
    required,
    rule: `must be ${'description' in schema ? String(schema.description) : 'valid'}`,
    check: value => validator.Check(value),
    isAbsent: value => isNone(value) || (value === '' && isText(schema)) || (name === 'price' && isPriceless(value)),
    ...(object !== undefined && { inside: rulesOf(object, openFields.has(name)) }),
  };
}

const isNone = (value: unknown) => value === undefined || value === null;

function isText(schema: TSchema): boolean {
  return IsString(schema) || (IsUnion(schema) && schema.anyOf.some(IsString));
}

/** As the vendor writes what has no price, or none yet. */
function isPriceless(price: unknown): boolean {
  if (price === 'UNKNOWN') return true;
  if (!isPlainObject(price)) return false;
  return [price.pricePerMessage, price.currency].some(value => value === null || value === '' || value === 'UNKNOWN');
}

function objectForm(schema: TSchema): TObject | undefined {
  if (IsObject(schema)) return schema;
  return IsUnion(schema) ? schema.anyOf.find(IsObject) : undefined;
}

export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Looks at a record field by field. A `null` or an empty text counts as absent, at the top and one level down. */
export function withoutFlaws(record: Readonly<Record<string, unknown>>): FlawedRecord {
  const violations: Violation[] = [];
  const sound: unknown = soundFields(record, rules, '', violations);
  if (!partialRecordCheck.Check(sound)) throw new Error('what is left of a flawed record is not sound');
  return { sound, violations };
}

function soundFields(
  object: Readonly<Record<string, unknown>>,
  { fields, open }: FieldRules,
  path: string,
  violations: Violation[],
): object {
  // Of more than are told, none costs the search for what was meant.
  const refuse = (name: string, violation: () => string) => {
    if (violations.length < violationsToldMax)
      violations.push({ property: path + shownName(name), violation: violation() });
  };
  const sound: [string, unknown][] = [];
  for (const [name, value] of Object.entries(object)) {
    const rule = fields.get(name);
    if (rule?.isAbsent(value)) continue;
    if (rule === undefined && open) sound.push([name, value]);
    else if (rule === undefined) refuse(name, () => unknownName(name, [...fields.keys()], 'field'));
    else if (rule.inside !== undefined && isPlainObject(value)) {
      const before = violations.length;
      const inner = soundFields(value, rule.inside, `${path}${name}.`, violations);
      if (violations.length === before) sound.push([name, inner]);
    } else if (rule.check(value)) sound.push([name, value]);
    else refuse(name, () => rule.rule);
  }
  for (const [name, rule] of fields)
    if (rule.required && rule.isAbsent(object[name])) refuse(name, () => 'is required');
  return Object.fromEntries(sound);
}
