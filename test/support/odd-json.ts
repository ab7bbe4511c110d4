import fc from 'fast-check';

/** Where values stand in another, each by the names that lead there. */
function placesIn(value: unknown): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [[]];
  return [[], ...Object.entries(value).flatMap(([name, inner]) => placesIn(inner).map(rest => [name, ...rest]))];
}

function replaced(value: unknown, [name, ...rest]: readonly string[], by: unknown): unknown {
  if (name === undefined) return by;
  if (Array.isArray(value)) return value.map((one, index) => (String(index) === name ? replaced(one, rest, by) : one));
  return { ...Object(value), [name]: replaced(Reflect.get(Object(value), name), rest, by) };
}

/** Names that every object has from elsewhere; values that are at a bound or beyond; and such as no text can be made of. */
const ownNames = ['__proto__', 'constructor', 'toString', 'valueOf', '0', 'length'];
const oddValues: readonly unknown[] = [
  ...[null, '', 0, 1, -1, 1.5, true, [], {}, [[]], '\ud800', 'x'.repeat(21), '😀'.repeat(20)],
  ...ownNames,
];
const textless: readonly unknown[] = [{ toString: [] }, { toString: [], valueOf: null }, [{ toString: 0 }]];

/** What comes of a value of JSON, as it comes over the wire, when others stand in some of its places or beside them. */
export function oddlyChanged(whole: unknown, names: readonly string[] = []): fc.Arbitrary<unknown> {
  const place = fc.constantFrom(...placesIn(whole));
  const name = fc.constantFrom(...ownNames, ...names);
  const other = fc.oneof(
    fc.constantFrom(...oddValues, ...names),
    fc.constantFrom(...textless),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const change = fc.tuple(place, fc.option(name, { nil: undefined }), other);
  return fc.array(change, { maxLength: 2 }).map(changes => {
    let value = whole;
    for (const [at, further, by] of changes) value = replaced(value, further === undefined ? at : [...at, further], by);
    return JSON.parse(JSON.stringify(value));
  });
}
