import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Outcome, outcomeOf } from '../../src/graph/outcomes.ts';
import { usageIn } from '../../src/graph/usage.ts';

const response = (text: string, httpStatus = 200): Outcome =>
  outcomeOf({ kind: 'response', httpStatus, text, headers: {} });
const refused = (code: number, subcode?: number, httpStatus = 400, message = 'words'): Outcome =>
  response(
    JSON.stringify({ error: { message, code, ...(subcode !== undefined && { error_subcode: subcode }) } }),
    httpStatus,
  );

/** The rows of the vendor's errors for each answer of Graph's, and whether it is tried again or stops the page. */
const table: readonly (readonly [
  codes: readonly (readonly [code: number, subcode?: number])[],
  error: number,
  effect: string,
])[] = [
  [
    [
      [100, 2018001],
      [100, 33],
    ],
    7002,
    'permanent',
  ],
  [[[551], [551, 1545041], [200, 1545041], [10, 2018108], [230]], 7003, 'permanent'],
  [[[102], [190], [190, 458], [190, 463], [190, 467]], 7004, 'page'],
  [[[3], [10], [200], [201], [299]], 7005, 'page'],
  [[[200, 2018027], [200, 2018028], [200, 2018021], [2018300], [100, 2534037]], 7005, 'permanent'],
  [
    [[100], [100, 2018074], [2018014], [2018015], [100, 2018034], [100, 2018040], [2534015], [2534025]],
    7006,
    'permanent',
  ],
  [[[10, 2018278], [10, 2534022], [10, 2018065], [1545041]], 7010, 'permanent'],
  [[[10904]], 7011, 'page'],
  [
    [
      [100, 2018008],
      [100, 2018294],
    ],
    7013,
    'retry',
  ],
  [[[100, 2018047]], 7014, 'permanent'],
  [[[100, 2018109]], 7015, 'permanent'],
  [[[4], [17], [32], [341], [613], [613, 2534040], [613, 1996], [80001], [80006]], 7017, 'throttled'],
  [[[10, 1893063], [368]], 7021, 'page-for-now'],
  [[[2022]], 7021, 'page'],
  [
    [
      [613, 2018338],
      [10, 1404170],
    ],
    7021,
    'permanent',
  ],
  [
    [
      [4, 2018354],
      [9, 2018352],
      [613, 1893016],
    ],
    7032,
    'permanent',
  ],
  [[[10, 1893015]], 7033, 'permanent'],
  [[[10900], [10903]], 7280, 'permanent'],
  [[[1], [1, 99], [2], [1200]], 7050, 'service'],
  [[[2018321]], 7050, 'retry'],
];

describe('what an answer of Graph means', () => {
  it('every error of the table → its code and effect, whatever HTTP status it comes with', () => {
    for (const [codes, error, effect] of table)
      for (const [code, subcode] of codes)
        for (const httpStatus of [200, 400, 401, 403, 500])
          expect(refused(code, subcode, httpStatus), `${code}/${subcode}`).toMatchObject({
            kind: 'failed',
            effect,
            error: { id: error },
          });
  });

  it('a message id → sent, by either name of the recipient', () => {
    expect(response('{"recipient_id":"p","message_id":"m"}')).toEqual({ kind: 'sent', mid: 'm', psid: 'p' });
    expect(response('{"recipient":"p","message_id":"m"}')).toEqual({ kind: 'sent', mid: 'm', psid: 'p' });
    expect(response('{"message_id":"m"}')).toEqual({ kind: 'sent', mid: 'm' });
    expect(response('{"recipient_id":"p"}')).toEqual({ kind: 'done' });
  });

  it('what may have been sent → unknown, and never tried again', () => {
    expect(refused(1, 1357046).kind).toBe('unknown');
    expect(outcomeOf({ kind: 'lost', reason: 'reset' }).kind).toBe('unknown');
    for (const text of ['', '{}', '<html>', '[]', '{"message_id":7}']) expect(response(text).kind).toBe('unknown');
    for (const status of [502, 504])
      for (const text of ['<html>', '{"error":"bad gateway"}', '{"error":{"message":"bad gateway"}}'])
        expect(response(text, status).kind).toBe('unknown');
  });

  it('what cannot have arrived, or a server at fault → tried again for as long as it is valid', () => {
    expect(outcomeOf({ kind: 'unreachable', reason: 'refused' })).toMatchObject({
      effect: 'outage',
      error: { id: 7051 },
    });
    for (const status of [500, 503])
      expect(response('<html>', status)).toMatchObject({ effect: 'outage', error: { id: 7050 } });
    expect(response('slow down', 429)).toMatchObject({ effect: 'throttled', error: { id: 7017 } });
  });

  it('a bare 100 → by its words only whether the person is unknown', () => {
    expect(refused(100, undefined, 400, '(#100) No matching user found')).toMatchObject({ error: { id: 7002 } });
    expect(refused(100, undefined, 400, 'Invalid parameter')).toMatchObject({ error: { id: 7006 } });
  });

  it('an error nobody has heard of → unknown error, tried a few times', () => {
    expect(refused(987_654)).toMatchObject({ kind: 'failed', effect: 'retry', error: { id: 255 } });
    expect(response('{"error":{}}', 400)).toMatchObject({ kind: 'failed', error: { id: 255 } });
  });

  it('any text and status → an outcome, never an exception', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), fc.integer({ min: 200, max: 599 }), (text, status) => {
        expect(['sent', 'done', 'unknown', 'failed']).toContain(response(text, status).kind);
      }),
    );
  });
});

describe('what is used of Meta’s budget', () => {
  it('the headers → the greatest share, and when calls are taken again', () => {
    const app = JSON.stringify({ call_count: 28, total_time: 25, total_cputime: 95 });
    const entry = { type: 'messenger', call_count: 40, total_time: 100, estimated_time_to_regain_access: 7 };
    const business = JSON.stringify({ '1234': [entry, { type: 'pages', call_count: 1 }] });
    expect(usageIn({ 'x-app-usage': app })).toEqual({ percent: 95 });
    expect(usageIn({ 'x-app-usage': app, 'x-business-use-case-usage': business })).toEqual({
      percent: 100,
      regainMs: 420_000,
    });
    expect(usageIn({})).toBeUndefined();
    for (const text of ['', 'x', '7', '[]', '{"a":7}'])
      expect(() => usageIn({ 'x-business-use-case-usage': text })).not.toThrow();
  });
});
