import fc from 'fast-check';
import { Compile } from 'typebox/schema';
import { dateTimePattern } from '../../src/wire/date-time.ts';

type Json = { readonly [name: string]: unknown };

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** What an OpenAPI document says, asked for values and about them. */
export class Described {
  readonly #document: Json;
  readonly #moment: fc.Arbitrary<string>;
  readonly #checks = new Map<unknown, (value: unknown) => boolean>();

  /** `moment` is what stands for a date-time, since most that the document allows are past or to come. */
  constructor(document: Json, moment: fc.Arbitrary<string>) {
    this.#document = document;
    this.#moment = moment;
  }

  at(pointer: string): Json {
    const steps = pointer.replace(/^#?\//, '').split('/');
    let found: unknown = this.#document;
    for (const step of steps) {
      found = isJson(found) ? found[step.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
      if (isJson(found) && typeof found.$ref === 'string') found = this.at(found.$ref);
    }
    if (!isJson(found)) throw new Error(`the document has nothing at ${pointer}`);
    return found;
  }

  /** The schema with what it refers to in its place. */
  whole(schema: Json): Json {
    if (typeof schema.$ref === 'string') return this.whole(this.at(schema.$ref));
    return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, this.#inlined(value)]));
  }

  #inlined(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(one => this.#inlined(one));
    return isJson(value) ? this.whole(value) : value;
  }

  /** Every schema with alternatives that a body which is sent has in it, and the alternatives. */
  unions(): readonly { schema: Json; keyword: 'anyOf' | 'oneOf'; alternatives: readonly Json[] }[] {
    const found = new Map<string, Json>();
    const walk = (value: unknown) => {
      if (Array.isArray(value)) value.forEach(walk);
      if (!isJson(value)) return;
      if ('anyOf' in value || 'oneOf' in value) found.set(JSON.stringify(value), value);
      // A condition is no alternative.
      for (const [name, inner] of Object.entries(value)) if (name !== 'if') walk(inner);
    };
    walk(this.at('/components/schemas'));
    return [...found.values()].flatMap(schema =>
      (['anyOf', 'oneOf'] as const).flatMap(keyword => {
        const alternatives = listOf(schema[keyword]).filter(isJson);
        return alternatives.length === 0 ? [] : [{ schema, keyword, alternatives }];
      }),
    );
  }

  allows(schema: Json, value: unknown): boolean {
    let check = this.#checks.get(schema);
    if (check === undefined) {
      const compiled = Compile(this.whole(schema));
      check = one => compiled.Check(one);
      this.#checks.set(schema, check);
    }
    return check(value);
  }

  /** Anything that a schema allows; what may be absent often is. */
  allowed(schema: Json): fc.Arbitrary<unknown> {
    return this.#value(this.whole(schema));
  }

  #value(schema: Json): fc.Arbitrary<unknown> {
    if (Array.isArray(schema.allOf)) {
      const { allOf, ...rest } = schema;
      return this.#value(Object.assign(rest, ...allOf));
    }
    if (isJson(schema.if)) {
      const { if: condition, ...free } = schema;
      const ways = listOf(condition.anyOf).filter(isJson);
      return fc.oneof(...ways.map(way => this.#value(narrowed(free, way)))).filter(one => this.allows(schema, one));
    }
    const union = [...listOf(schema.anyOf), ...listOf(schema.oneOf)].filter(isJson);
    if (union.length > 0) return fc.oneof(...union.map(one => this.#value(one)));
    if ('const' in schema) return fc.constant(schema.const);
    if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
    if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map(type => this.#value({ ...schema, type })));
    switch (schema.type) {
      case 'null':
        return fc.constant(null);
      case 'boolean':
        return fc.boolean();
      case 'integer':
        return fc.integer({ min: boundOf(schema.minimum, -1e6), max: boundOf(schema.maximum, 1e6) });
      case 'number':
        return fc.double({
          min: boundOf(schema.minimum, -1e6),
          max: boundOf(schema.maximum, 1e6),
          noNaN: true,
        });
      case 'string':
        return this.#text(schema);
      case 'array':
        return fc.array(isJson(schema.items) ? this.#value(schema.items) : fc.jsonValue(), {
          minLength: boundOf(schema.minItems, 0),
          maxLength: Math.min(boundOf(schema.maxItems, 4), boundOf(schema.minItems, 0) + 3),
        });
      case 'object':
        return this.#object(schema);
      default:
        throw new Error(`no values for ${JSON.stringify(schema).slice(0, 200)}`);
    }
  }

  #text({ pattern, minLength, maxLength }: Json): fc.Arbitrary<unknown> {
    if (typeof pattern === 'string' && pattern.includes(dateTimePattern.slice(1, -1))) return this.#moment;
    const bounds = { minLength: boundOf(minLength, 0), maxLength: boundOf(maxLength, 40) };
    if (typeof pattern !== 'string') return fc.string(bounds);
    const matching = new RegExp(pattern, 'u');
    const free = fc.string({
      ...bounds,
      unit: fc.oneof(fc.constantFrom(...' ,aZ09é€+\\"&=%'), fc.constantFrom('😀', '߿')),
    });
    const fits = (text: string) => matching.test(text) && [...text].length <= bounds.maxLength;
    return /^\^(?:\[ ,\]\*)?\[\^/.test(pattern)
      ? free.filter(fits)
      : fc.stringMatching(new RegExp(pattern)).filter(fits);
  }

  #object(schema: Json): fc.Arbitrary<unknown> {
    const required = listOf(schema.required);
    const patterns = isJson(schema.patternProperties) ? schema.patternProperties : {};
    const named = {
      ...(isJson(schema.properties) && schema.properties),
      ...Object.fromEntries(Object.entries(patterns).map(([name, field]) => [name.slice(1, -1), field])),
    };
    const fields = Object.entries(named).flatMap(([name, field]) => (isJson(field) ? [[name, field] as const] : []));
    const known = fc.record(Object.fromEntries(fields.map(([name, field]) => [name, this.#value(field)])), {
      requiredKeys: fields.map(([name]) => name).filter(name => required.includes(name)),
    });
    if (schema.additionalProperties !== true) return known;
    const more = fc.dictionary(fc.stringMatching(/^x[a-z]{1,3}$/), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 2 });
    return fc.tuple(more, known).map(([others, own]) => ({ ...others, ...own }));
  }
}

/** An object for which a condition on some of its fields holds, or nearly. */
function narrowed(schema: Json, way: Json): Json {
  const fields = isJson(schema.properties) ? schema.properties : {};
  const narrower = Object.entries(Object(way.properties)).map(([name, field]) => [
    name,
    { ...Object(fields[name]), ...Object(field) },
  ]);
  return {
    ...schema,
    properties: { ...fields, ...Object.fromEntries(narrower) },
    required: [...new Set([...listOf(schema.required), ...listOf(way.required)])],
  };
}

function boundOf(bound: unknown, otherwise: number): number {
  return typeof bound === 'number' ? bound : otherwise;
}

/** Whether a generated client that looks at the names of fields, and at kinds of values from afar, takes it for one. */
export function fitsByNames({ type, properties, required, additionalProperties }: Json, value: unknown): boolean {
  if (!isJson(properties)) return type === typeof value || (type === 'integer' && typeof value === 'number');
  if (!isJson(value)) return false;
  const names = Object.keys(value);
  const isClosed = additionalProperties === false;
  return (
    listOf(required).every(name => names.includes(String(name))) &&
    !(isClosed && names.some(name => !(name in properties)))
  );
}

/** The same value with one part of it, somewhere, replaced, taken away, or with a further one beside it. */
export function changedSomewhere(value: unknown): fc.Arbitrary<unknown> {
  const replaced = fc.oneof(
    fc.jsonValue({ maxDepth: 1 }),
    fc.constantFrom(null, -1, 1e9, 'x'.repeat(300), {}, [], 1.5),
  );
  if (!isJson(value) && !Array.isArray(value)) return replaced;
  const entries: readonly (readonly [string, unknown])[] = Object.entries(value);
  const rebuilt = (changed: readonly (readonly [string, unknown])[]) =>
    Array.isArray(value) ? changed.map(([, one]) => one) : Object.fromEntries(changed);
  const further = replaced.map(one => rebuilt([...entries, ['unknownField', one]]));
  if (entries.length === 0) return fc.oneof(replaced, further);
  const inside = fc.nat({ max: entries.length - 1 }).chain(at =>
    fc.oneof(
      fc.constant(rebuilt(entries.toSpliced(at, 1))),
      changedSomewhere(entries[at]?.[1]).map(one => rebuilt(entries.with(at, [entries[at]?.[0] ?? '', one]))),
    ),
  );
  return fc.oneof(
    { weight: 1, arbitrary: replaced },
    { weight: 2, arbitrary: further },
    { weight: 8, arbitrary: inside },
  );
}
