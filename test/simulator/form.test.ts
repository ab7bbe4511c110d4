import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldsOf, partFields } from '../../src/simulator/form.ts';

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
});
