import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { excessOf, fieldsOf, partFields } from '../../src/simulator/form.ts';

const form = 'application/x-www-form-urlencoded';

/** The same body by the paths of its fields, as PHP and others write it. */
function* paths(value: unknown, path: string): Generator<[string, string]> {
  if (typeof value !== 'object' || value === null) yield [path, String(value)];
  else for (const [name, inner] of Object.entries(value)) yield* paths(inner, path === '' ? name : `${path}[${name}]`);
}

const word = fc.stringMatching(/^[a-z][a-z_]{0,8}$/);
const text = fc.string({ minLength: 1 });
const bodies = fc.record({
  recipient: fc.record({ id: fc.stringMatching(/^\d{1,17}$/) }),
  message: fc.record({
    text,
    metadata: text,
    quick_replies: fc.array(fc.record({ content_type: word, title: text }), { minLength: 1, maxLength: 3 }),
  }),
});

describe('a body for Graph', () => {
  it('any body as JSON, as a form of JSON values, as paths → the same fields', () => {
    fc.assert(
      fc.property(bodies, body => {
        const values = new URLSearchParams(
          Object.entries(body).map(([name, value]): [string, string] => [name, JSON.stringify(value)]),
        );
        const named = new URLSearchParams([...paths(body, '')]);
        expect(fieldsOf(JSON.stringify(body), 'application/json; charset=utf-8')).toEqual(body);
        expect(fieldsOf(values.toString(), form)).toEqual(body);
        expect(fieldsOf(named.toString(), form)).toEqual(body);
      }),
    );
  });

  it('any body as a form in parts, as curl -F sends it → the same fields; a file is left out; what is no form → nothing', async () => {
    await fc.assert(
      fc.asyncProperty(bodies, async body => {
        const form = new FormData();
        for (const [name, value] of Object.entries(body)) form.append(name, JSON.stringify(value));
        form.append('filedata', new Blob([new Uint8Array([0, 255])]), 'a.png');
        const request = new Response(form);
        const type = request.headers.get('content-type') ?? '';
        expect(await partFields(await request.text(), type)).toEqual(body);
      }),
      { numRuns: 20 },
    );
    for (const [body, type] of [
      ['', 'multipart/form-data'],
      ['--x\r\n', 'multipart/form-data; boundary=x'],
      ['a=1', 'multipart/form-data; boundary=x'],
    ] as const)
      expect(await partFields(body, type), `${type}: ${body}`).toBeUndefined();
  });

  it('quoted as in Meta’s own samples → the same fields; what is no JSON by any quotes → the text', () => {
    const sample = "recipient={'id':'seen'}&messaging_type=RESPONSE&message={'text':'hello, world'}";
    const wanted = { recipient: { id: 'seen' }, messaging_type: 'RESPONSE', message: { text: 'hello, world' } };
    expect(fieldsOf(sample, form)).toEqual(wanted);
    expect(fieldsOf("message={'text':\"it's\"}", form)).toEqual({ message: { text: "it's" } });
    expect(fieldsOf("message={'text':", form)).toEqual({ message: "{'text':" });
    expect(fieldsOf('message={"text":"it\'s \'so\'"}', form)).toEqual({ message: { text: "it's 'so'" } });
  });

  it('any text → fields or nothing, never an exception', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), body => {
        for (const type of ['application/json', form, 'text/plain', '']) fieldsOf(body, type);
      }),
    );
    expect(fieldsOf('{"a":1}', 'text/plain')).toBeUndefined();
    expect(fieldsOf('[1]', 'application/json')).toBeUndefined();
    const deep = `a${'[b]'.repeat(200_000)}=1`;
    expect(Object.keys(fieldsOf(deep, form) ?? {}).length).toBe(1);
    expect(fieldsOf('__proto__[x]=1', form)).not.toHaveProperty('x');
  });

  it('more fields or text than any message has → the reason, whatever form it has; as much as may be → every field', async () => {
    const parts = (count: number) =>
      `${Array.from({ length: count }, () => '--cut\r\ncontent-disposition: form-data; name="a[]"\r\n\r\n1\r\n').join('')}--cut--\r\n`;
    const inParts = 'multipart/form-data; boundary=cut';
    const list = (count: number) => Array.from({ length: count }, () => 'a[]=1').join('&');
    for (const [body, type] of [
      [list(1002), form],
      [list(1002), ''],
      ['&'.repeat(1001), form],
      [parts(1001), inParts],
    ] as const)
      expect(excessOf(body, type), type).toBe('The body has more than 1000 fields');
    const long = 'x'.repeat(256 * 1024);
    expect(excessOf(`{"a":"${long}"}`, 'application/json; charset=utf-8')).toBe('The body has more than 262144 bytes');
    expect(excessOf(`a=${long}`, form)).toBe('The body has more than 262144 bytes');
    const file = `--cut\r\ncontent-disposition: form-data; name="filedata"; filename="a.png"\r\n\r\n${long}\r\n--cut--\r\n`;
    expect(excessOf(file, inParts)).toBeUndefined();
    expect(await partFields(file.replace('; filename="a.png"', ''), inParts)).toBeDefined();
    expect(await partFields(file.replace('; filename="a.png"\r\n\r\n', '\r\n\r\nx'), inParts)).toBeUndefined();
    const all = { a: Array.from({ length: 900 }, () => '1') };
    expect(excessOf(list(900), form)).toBeUndefined();
    expect(fieldsOf(list(900), form)).toEqual(all);
    expect(excessOf(parts(900), inParts)).toBeUndefined();
    expect(await partFields(parts(900), inParts)).toEqual(all);
  });

  it('names count up in any order → a list; a path goes on in JSON; JSON deeper than calls go → as it is', () => {
    expect(fieldsOf('a[1]=y&a[0]=x&a[2][b]=z', form)).toEqual({ a: ['x', 'y', { b: 'z' }] });
    expect(fieldsOf('a={"b":"1"}&a[c]=2', form)).toEqual({ a: { b: '1', c: '2' } });
    const depth = 50_000;
    expect(fieldsOf(`a=${'{"b":'.repeat(depth)}1${'}'.repeat(depth)}`, form)).toHaveProperty('a.b.b.b');
  });
});
