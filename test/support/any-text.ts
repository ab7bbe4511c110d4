import fc from 'fast-check';

/** Texts of any UTF-16 units at all, halves of surrogate pairs among them, and many that mean something to a parser. */
export const anyText: fc.Arbitrary<string> = fc.string({
  unit: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...'"\\,=&%+;:/?#{}[]\n\r\t\u0000 aZ09é€😀') },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }).map(unit => String.fromCharCode(unit)) },
  ),
});
