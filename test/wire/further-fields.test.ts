import fc from 'fast-check';
import { expect, test } from 'vitest';
import { identityIn, initialState } from '../../src/domain/report.ts';
import { limits } from '../../src/limits.ts';
import { parseRecordText } from '../../src/wire/record/log-record.ts';
import { logJson, renderLogs } from '../../src/wire/text/log-text.ts';

const text =
  '{"sender":"44113496000","destination":"66855538125","messageId":"m-1","sentAt":"2023-02-01T23:15:03.379+0000",' +
  '"messageCount":1,"price":{"pricePerMessage":0.15,"currency":"EUR","perPart":0.10},' +
  '"status":{"groupId":3,"groupName":"DELIVERED","id":5,"name":"DELIVERED_TO_HANDSET",' +
  '"description":"Message delivered to handset","further":[1e400]},' +
  '"error":{"groupId":0,"groupName":"OK","id":0,"name":"NO_ERROR","description":"No Error","permanent":false,"x":null},' +
  '"platform":{"entityId":"e","tenant":12345678901234567890},"content":{"type":"TEXT","text":"hello"},' +
  '"campaignReferenceId":"c","vendorField":{ "a" : 1.0, "a" : 2 },"2":"","é":null}';
const extraJson =
  '{"price":{"perPart":0.10},"platform":{"tenant":12345678901234567890},"vendorField":{ "a" : 1.0, "a" : 2 },"2":"","é":null}';

test('further fields, kept where that is asked for → written as they came, each in its place', () => {
  const { submission } = parseRecordText(text, 'kept');
  if (submission === undefined) throw new Error('refused');
  expect(submission).toMatchObject({
    extraJson,
    status: { id: 5, furtherJson: '{"further":[1e400]}' },
    error: { id: 0, furtherJson: '{"x":null}' },
  });
  const log = { ...identityIn(submission, 0), ...initialState(submission, submission.sentAt ?? 0) };
  expect(logJson(log)).toBe(text);
  expect(renderLogs([log], 'csv')).toContain('"{""status"":{""further"":[1e400]},""error"":{""x"":null},""price"":');
});

test('further fields else → refused, each by its name, but in the codes', () => {
  expect(
    parseRecordText(text)
      .violations?.map(({ property }) => property)
      .sort(),
  ).toEqual(['price.perPart', 'platform.tenant', 'vendorField', '2', 'é'].sort());
});

test('further fields of status and error, whatever they are called and hold → kept as they came, and told', () => {
  const name = fc.oneof(
    fc.constantFrom('permanent', 'action', 'final', '__proto__', 'constructor', 'status', ''),
    fc.string(),
  );
  const field = fc.tuple(name, fc.json());
  const codes = fc.record({
    code: fc.constantFrom('status' as const, 'error' as const),
    // What each code knows of these is no further field.
    fields: fc.uniqueArray(field, { selector: ([one]) => one, minLength: 1, maxLength: 4 }),
  });
  const knownFields = { status: ['action', 'id'], error: ['permanent', 'id'] };
  fc.assert(
    fc.property(codes, ({ code, fields }) => {
      const further = fields.filter(
        ([one]) => !['name', 'description', 'groupId', 'groupName', ...knownFields[code]].includes(one),
      );
      fc.pre(further.length > 0);
      const written = further.map(([one, value]) => `${JSON.stringify(one)}:${value}`).join();
      const { submission, unregistered } = parseRecordText(
        `{"messageId":"m","${code}":{"id":0,"groupId":0, ${written}}}`,
      );
      expect(submission?.[code]?.furtherJson).toBe(`{${written}}`);
      expect(unregistered).toContain('further field');
    }),
  );
});

const sound = {
  messageId: 'm',
  sender: 's',
  destination: 'd',
  price: { pricePerMessage: 0.15, currency: 'EUR' },
  status: 5,
  platform: { entityId: 'e' },
  content: { type: 'TEXT' },
};

test('no further fields → the same submission either way', () => {
  const plain = JSON.stringify(sound);
  expect(parseRecordText(plain, 'kept')).toEqual(parseRecordText(plain));
  expect(parseRecordText('5', 'kept')).toEqual(parseRecordText('5'));
  expect(parseRecordText('{"messageId":"m","price":null,"status":""}', 'kept')).toEqual({
    submission: { messageId: 'm' },
  });
});

test('more of them than is kept, or too deep → told by the name of the field', () => {
  const refused = (record: string) => parseRecordText(record, 'kept').violations?.map(({ property }) => property);
  const most = { ...sound, a: 'x'.repeat(limits.contentBytesMax - 100), b: 'x'.repeat(200), c: 1 };
  expect(refused(JSON.stringify(most))).toEqual(['b']);
  const status = `{"id":5,"deep":${'['.repeat(100)}${']'.repeat(100)}}`;
  expect(parseRecordText(`{"messageId":"m","status":${status}}`).violations?.map(({ property }) => property)).toEqual([
    'status.deep',
  ]);
  expect(refused(`${JSON.stringify(sound).slice(0, -1)},"deep":${'['.repeat(100)}${']'.repeat(100)}}`)).toEqual([
    'deep',
  ]);
});
