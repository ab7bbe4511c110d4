import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type InputRecord, inputRecords } from '../../src/cli/input/input-records.ts';
import { limits } from '../../src/limits.ts';

async function* source(chunks: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function read(...chunks: readonly (string | Buffer)[]): Promise<readonly InputRecord[]> {
  const all: InputRecord[] = [];
  for await (const record of inputRecords(source(chunks))) all.push(record);
  return all;
}

/** The bytes of an input in pieces of any size, as a pipe may give them. */
function pieces(input: string | Buffer, sizes: readonly number[]): readonly Buffer[] {
  const bytes = Buffer.from(input);
  const cuts: Buffer[] = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1;
    cuts.push(bytes.subarray(at, at + size));
    at += size;
  }
  return cuts;
}

const record = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue(), { minKeys: 1, maxKeys: 4 });
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
const values = (records: readonly InputRecord[]) =>
  records.map(one => ('json' in one ? JSON.parse(one.json) : one.refusal));

describe('NDJSON', () => {
  test('any records in any pieces → each as it stood, with its line', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record), sizes, fc.boolean(), async (records, cuts, endsWithNewline) => {
        const input = records.map(one => JSON.stringify(one)).join('\n') + (endsWithNewline ? '\n' : '');
        const found = await read(...pieces(input, cuts));
        expect(values(found)).toEqual(records.map(one => JSON.parse(JSON.stringify(one))));
        expect(found.map(one => one.line)).toEqual(records.map((_, at) => at + 1));
      }),
    );
  });

  test('empty lines, spaces, CRLF and a byte order mark → left out, lines still counted', async () => {
    expect(await read('\uFEFF{"a":1}\r\n\r\n   \n {"a":2} \n\n{"a":3}')).toEqual([
      { line: 1, json: '{"a":1}' },
      { line: 4, json: '{"a":2}' },
      { line: 6, json: '{"a":3}' },
    ]);
  });

  test('nothing, or only space → no records', async () => {
    expect(await read()).toEqual([]);
    expect(await read('')).toEqual([]);
    expect(await read(' \n\n')).toEqual([]);
  });

  test('a line longer than a record may be → refused, the others read', async () => {
    const long = 'x'.repeat(limits.ndjsonLineBytesMax + 1);
    expect(await read('{"a":1}\n', long.slice(0, 100), long.slice(100), '\n{"a":2}\n')).toEqual([
      { line: 1, json: '{"a":1}' },
      { line: 2, refusal: `is longer than ${limits.ndjsonLineBytesMax} bytes` },
      { line: 3, json: '{"a":2}' },
    ]);
    expect(await read(`${'y'.repeat(limits.ndjsonLineBytesMax)}\n`)).toHaveLength(1);
  });

  test('bytes that are no UTF-8 → refused instead of recorded as something else', async () => {
    expect(await read(Buffer.from([0x22, 0xff, 0x22, 0x0a]), '"é"\n')).toEqual([
      { line: 1, refusal: 'is not UTF-8' },
      { line: 2, json: '"é"' },
    ]);
  });

  test('a line that is no JSON → passed on, for the server to say why', async () => {
    expect(await read('{"results"\nnonsense\n')).toEqual([
      { line: 1, json: '{"results"' },
      { line: 2, json: 'nonsense' },
    ]);
  });
});

describe('{"results": […]}', () => {
  test('any records in any pieces, compact or spread over lines → each as one line', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record), sizes, fc.constantFrom(0, 1, '\t'), async (records, cuts, indent) => {
        const input = JSON.stringify({ results: records, cursor: { limit: 50, nextCursor: ']}' } }, null, indent);
        const found = await read(...pieces(input, cuts));
        expect(values(found)).toEqual(records.map(one => JSON.parse(JSON.stringify(one))));
        for (const one of found) expect('json' in one && one.json).not.toMatch(/[\r\n]/);
      }),
    );
  });

  test('spread over lines → each record has the line it begins on', async () => {
    const found = await read('\n{ "results" : [\n  {"a":\n1},\n\n  {"a":2}, {"a":3}\n] }\n');
    expect(found).toEqual([
      { line: 3, json: '{"a": 1}' },
      { line: 6, json: '{"a":2}' },
      { line: 6, json: '{"a":3}' },
    ]);
  });

  test('a record that is too long, not UTF-8 or has a line break in a text → refused, the others read', async () => {
    const long = JSON.stringify('x'.repeat(limits.ndjsonLineBytesMax));
    const found = await read('{"results":[', long, ',"', Buffer.from([0xff]), '","a\nb",{"a":1}]}');
    expect(found).toEqual([
      { line: 1, refusal: `is longer than ${limits.ndjsonLineBytesMax} bytes` },
      { line: 1, refusal: 'is not UTF-8' },
      { line: 1, refusal: 'has a text with a line break' },
      { line: 2, json: '{"a":1}' },
    ]);
  });

  test('cut short → an error after the records that were whole', async () => {
    for (const input of ['{"results":[{"a":1},{"a', '{"results":[{"a":1}]', '{"results":[{"a":1}],"x":{']) {
      const records = inputRecords(source([input]));
      expect(await records.next()).toMatchObject({ value: { json: '{"a":1}' } });
      await expect(records.next(), input).rejects.toThrow('the input ends before its records do');
    }
  });

  test('several after each other, arrays among them, their fields in any order → the records of all', async () => {
    const page = fc.record({
      results: fc.array(record, { maxLength: 3 }),
      cursor: fc.oneof(fc.record({ limit: fc.nat(), nextCursor: fc.base64String() }), fc.constantFrom(null, undefined)),
      form: fc.constantFrom('array', 'cursor last', 'cursor first', 'others first'),
      others: fc.dictionary(
        fc.string().filter(name => name !== 'results'),
        fc.jsonValue(),
        { maxKeys: 4 },
      ),
      indent: fc.constantFrom(0, 1, '\t'),
    });
    const text = ({ results, cursor, form, indent, others }: typeof page extends fc.Arbitrary<infer T> ? T : never) =>
      JSON.stringify(
        {
          array: results,
          'cursor last': { results, cursor },
          'cursor first': { cursor, results },
          'others first': { ...others, results, cursor },
        }[form],
        null,
        indent,
      );
    await fc.assert(
      fc.asyncProperty(fc.array(page, { minLength: 1, maxLength: 4 }), sizes, async (pages, cuts) => {
        const found = await read(...pieces(pages.map(text).join('\n'), cuts));
        expect(values(found)).toEqual(JSON.parse(JSON.stringify(pages.flatMap(({ results }) => results))));
      }),
    );
  });

  test('a first record with fields, objects and texts like those of a page → lines, as they stand', async () => {
    for (const line of [
      '{"a":{"results":[1]},"b":"\\"results\\":["}',
      '{}',
      '{"results":{}}',
      '{"results":null,"a":[]}',
      '{"a":1}',
    ])
      expect(await read(`${line}\n{"a":2}\n`), line).toEqual([
        { line: 1, json: line },
        { line: 2, json: '{"a":2}' },
      ]);
  });

  test('something else after the end → an error that names the line', async () => {
    for (const other of ['{"a":1', 'x', '"[', '{"cursor":{"results":[', '{"cursor":[{"results":['])
      await expect(read(`{"results":[]}\n\n${other}`), other).rejects.toThrow('line 3: ');
  });

  test('no results → no records', async () => {
    expect(await read('{"results":[ ]}\n')).toEqual([]);
  });
});

describe('an array', () => {
  test('any records in any pieces, compact or spread over lines → each as one line', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record), sizes, fc.constantFrom(0, 1, '\t'), async (records, cuts, indent) => {
        const found = await read(...pieces(` \n${JSON.stringify(records, null, indent)}\n`, cuts));
        expect(values(found)).toEqual(records.map(one => JSON.parse(JSON.stringify(one))));
      }),
    );
  });

  test('cut short, or followed by something → an error that says so', async () => {
    await expect(read('[{"a":1},')).rejects.toThrow('the input ends before its records do');
    await expect(read('[{"a":1}]\n"a"')).rejects.toThrow('line 2: here a record should begin');
  });
});

describe('values one after another', () => {
  const notResults = fc.dictionary(
    fc.string({ unit: 'grapheme' }).filter(name => name !== 'results'),
    fc.jsonValue(),
    { minKeys: 1, maxKeys: 4 },
  );
  const value = fc.oneof(
    notResults.map(one => ({ written: one, records: [one] })),
    fc.array(notResults, { maxLength: 3 }).map(all => ({ written: all, records: all })),
    fc
      .array(notResults, { maxLength: 3 })
      .map(all => ({ written: { cursor: { limit: 5 }, results: all }, records: all })),
  );

  test('any, as jq prints them, or as a sequence of RFC 7464 has them, in any pieces → the records of all', async () => {
    const forms = fc.record({
      indent: fc.constantFrom(2, 1, '\t'),
      before: fc.constantFrom('', '\u001e'),
      between: fc.constantFrom('', '\n', '\r\n', ' \n\n'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 5 }), forms, sizes, async (all, form, cuts) => {
        const texts = all.map(({ written }) => form.before + JSON.stringify(written, null, form.indent) + form.between);
        const found = await read(...pieces(texts.join(''), cuts));
        expect(values(found)).toEqual(JSON.parse(JSON.stringify(all.flatMap(({ records }) => records))));
        for (const one of found) expect('json' in one && one.json).not.toMatch(/[\r\n]/);
      }),
    );
  });

  test('on one line, with nothing between them → each, with the line it begins on', async () => {
    expect(await read('{"a":1}{"a":2} [{"a":3}]\n{"a":\n4}')).toEqual([
      { line: 1, json: '{"a":1}' },
      { line: 1, json: '{"a":2}' },
      { line: 1, json: '{"a":3}' },
      { line: 2, json: '{"a": 4}' },
    ]);
  });

  test('one of a sequence that is cut short → refused, the others read', async () => {
    for (const cut of ['{"a":', '{"a":"x', '{"a":"\\', '[{"a":{', '{"results":[{"a'])
      expect(await read(`\u001e{"a":1}\n\u001e\n${cut}\u001e{"a":3}\n`), cut).toEqual([
        { line: 1, json: '{"a":1}' },
        { line: 3, refusal: 'ends before it is whole' },
        { line: 3, json: '{"a":3}' },
      ]);
  });

  test('an object that is longer than is looked at first, or than a record may be → read, or refused', async () => {
    const text = 'x'.repeat(100_000);
    expect(values(await read(JSON.stringify({ text }, null, 2), '\n{"a":2}'))).toEqual([{ text }, { a: 2 }]);
    const long = JSON.stringify({ text: 'x'.repeat(limits.ndjsonLineBytesMax) }, null, 2);
    expect(values(await read(long, '\n{"a":2}'))).toEqual([expect.stringMatching('is longer than'), { a: 2 }]);
  });

  test('a first line of NDJSON that is cut short → refused by the server alone, the others read', async () => {
    for (const cut of ['{"a":"x', '{"a":1', '{"a', '{"a":{"b":1}', '{"a":[1]', '{"a":1,', '{"a"'])
      expect(await read(`${cut}\n{"b":2}\n`), cut).toEqual([
        { line: 1, json: cut },
        { line: 2, json: '{"b":2}' },
      ]);
  });
});

describe('what the first bytes say', () => {
  const text = '{"text":"é日👍"}\n{"a":1}\n';
  const utf16 = (encoding: 'le' | 'be') => {
    const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
    return encoding === 'le' ? bytes : bytes.swap16();
  };
  const utf32 = (encoding: 'le' | 'be') => {
    const characters = [...`\ufeff${text}`].map(one => one.codePointAt(0) ?? 0);
    const bytes = Buffer.from(Uint32Array.from(characters).buffer);
    return encoding === 'le' ? bytes : bytes.swap32();
  };
  const inputs: readonly (readonly [string, Buffer])[] = [
    ['gzip', gzipSync(text)],
    ['two members of gzip', Buffer.concat([gzipSync(text.slice(0, 9)), gzipSync(text.slice(9))])],
    ['UTF-16, little end first', utf16('le')],
    ['UTF-16, big end first', utf16('be')],
    ['UTF-16 without a mark, little end first', utf16('le').subarray(2)],
    ['UTF-16 without a mark, big end first', utf16('be').subarray(2)],
    ['UTF-32, little end first', utf32('le')],
    ['UTF-32, big end first', utf32('be')],
    ['UTF-32 without a mark, little end first', utf32('le').subarray(4)],
    ['UTF-32 without a mark, big end first', utf32('be').subarray(4)],
    ['gzip of UTF-16', gzipSync(utf16('le'))],
    ['zstd', zstdCompressSync(text)],
    ['two frames of zstd', Buffer.concat([zstdCompressSync(text.slice(0, 9)), zstdCompressSync(text.slice(9))])],
    ['zstd of UTF-32', zstdCompressSync(utf32('le'))],
    ['gzip of an array', gzipSync(`[${text.trim().replace('\n', ',')}]`)],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${text}`)],
  ];

  test.each(inputs)('%s in any pieces → the same records', async (_name, bytes) => {
    await fc.assert(
      fc.asyncProperty(sizes, async cuts => {
        expect(values(await read(...pieces(bytes, cuts)))).toEqual([{ text: 'é日👍' }, { a: 1 }]);
      }),
      { numRuns: 20 },
    );
  });

  test('gzip or zstd that is damaged or cut short, UTF-16 or UTF-32 that is none → one line that says so', async () => {
    const zipped = gzipSync(text);
    await expect(read(zipped.subarray(0, -4))).rejects.toThrow('the input is gzip that is damaged or cut short');
    await expect(read(zipped.fill(0, 12, 20))).rejects.toThrow('the input is gzip that is damaged or cut short');
    const frame = zstdCompressSync(text);
    await expect(read(frame.subarray(0, -4))).rejects.toThrow('the input is zstd that is damaged or cut short');
    await expect(read(frame.fill(0, 6, 12))).rejects.toThrow('the input is zstd that is damaged or cut short');
    await expect(read(utf16('le').subarray(0, -1))).rejects.toThrow('the input begins as UTF-16 and is not');
    await expect(read(utf32('be').subarray(0, -1))).rejects.toThrow('the input begins as UTF-32 and is not');
    await expect(read(utf32('be').fill(0xff, 8, 9))).rejects.toThrow('the input begins as UTF-32 and is not');
  });

  test('an archive that is not unpacked here → said by its name', async () => {
    for (const [name, begin] of [
      ['zip', 'PK\u0003\u0004'],
      ['xz', '\u00fd7zXZ'],
      ['bzip2', 'BZh91AY'],
    ] as const)
      await expect(read(Buffer.from(begin, 'latin1')), name).rejects.toThrow(`the input is ${name}: unpack it first`);
  });
});
