import { IsSchema, type TSchema } from 'typebox';

/** What a schema is of: a body that is sent, an answer, or a parameter. */
export type Use = 'sent' | 'answered' | 'parameter';

type Json = Readonly<Record<string, unknown>>;

const int32Max = 2 ** 31 - 1;

/**
 * Writes the schemas that check what comes in, and what goes out, as a document for generators and testers has them.
 * One with a `title` is a component of that name, referred to wherever it stands.
 *
 * - Of what is sent, objects are closed, as unknown fields are refused, and a field that may be absent may be `null`.
 *   Answers are open: a later version, or a mirrored log, may have more. Either is said, since generators differ in what
 *   they make of silence.
 * - What has the mark `isMap` is a map: of properties, generators make a class, and some of its further fields are lost.
 * - Numbers have their width.
 * - Patterns have no ranges of surrogates, and no escapes but `\x`, which all engines of regular expressions read.
 */
export class SchemaWriter {
  readonly components = new Map<string, object>();

  write(schema: TSchema, use: Use): object {
    const { title } = plain(schema);
    if (typeof title !== 'string') return this.#body(plain(schema), use);
    if (!this.components.has(title)) {
      // Named before it is written, so that one that holds itself ends.
      this.components.set(title, {});
      this.components.set(title, this.#body(plain(schema), use));
    }
    return { $ref: `#/components/schemas/${title}` };
  }

  #body(schema: Json, use: Use): object {
    const { title: _, isMap, ...rest } = schema;
    const written: Record<string, unknown> = { ...rest, ...widthOf(rest) };
    if (typeof rest.pattern === 'string') written.pattern = portable(rest.pattern);
    if (isJson(rest.properties)) {
      written.properties = this.#properties(rest.properties, rest.required, use);
      written.additionalProperties = rest.additionalProperties ?? use !== 'sent';
    }
    if (isJson(rest.items)) written.items = this.write(rest.items, use);
    for (const union of ['anyOf', 'oneOf'])
      if (Array.isArray(rest[union])) written[union] = rest[union].map((one: TSchema) => this.write(one, use));
    return isMap === true ? asMap(written) : written;
  }

  #properties(properties: Json, required: unknown, use: Use): object {
    const needed: readonly unknown[] = Array.isArray(required) ? required : [];
    return Object.fromEntries(
      Object.entries(properties).map(([name, schema]) => {
        const written = isSchema(schema) ? this.write(schema, use) : schema;
        return [name, use === 'sent' && !needed.includes(name) && isJson(written) ? nullable(written) : written];
      }),
    );
  }
}

/** Fields that are known are told by their names as patterns, which validators read, and generators do not. */
function asMap({ properties, ...rest }: Json): object {
  const known = Object.entries(Object(properties)).map(([name, schema]) => [`^${name}$`, schema]);
  return { ...rest, patternProperties: Object.fromEntries(known), additionalProperties: true };
}

/** The same, or `null`, which counts as absent. */
function nullable(schema: Json): object {
  const { type, const: only, pattern } = schema;
  if (only !== undefined) return { ...schema, const: undefined, enum: [only, null], type: [type, 'null'] };
  if (typeof type !== 'string') return { anyOf: [schema, { type: 'null' }] };
  // A pattern of its own would be asked of null as well by Go's clients, which then take no value at all. Of conditions,
  // testers try each way by itself, and of many such fields every combination.
  if (pattern !== undefined) return { ...nullable({ ...schema, pattern: undefined }), allOf: [{ pattern }] };
  return { ...schema, type: [type, 'null'], ...(Array.isArray(schema.enum) && { enum: [...schema.enum, null] }) };
}

function widthOf({ type, minimum, maximum, enum: choices }: Json): object {
  if (type === undefined && Array.isArray(choices))
    return { type: typeof choices[0] === 'number' ? 'integer' : 'string' };
  if (type === 'number') return { format: 'double' };
  if (type !== 'integer') return {};
  const isNarrow = typeof maximum === 'number' && maximum <= int32Max && Number(minimum ?? 0) >= -int32Max;
  return { format: isNarrow ? 'int32' : 'int64' };
}

function portable(pattern: string): string {
  return pattern.replaceAll('\\ud800-\\udfff', '').replaceAll(/\\u00([0-9a-f]{2})/g, '\\x$1');
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSchema(value: unknown): value is TSchema {
  return IsSchema(value);
}

/** Without what the library keeps beside the schema. */
function plain(schema: TSchema): Json {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => !name.startsWith('~')));
}
