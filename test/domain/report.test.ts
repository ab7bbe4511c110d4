import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evidenceOf, settled } from '../../src/domain/evidence.ts';
import type { LogRecord, MessageState, Submission } from '../../src/domain/message.ts';
import { deliveryErrors, noError, pendingAccepted, type Status, statuses } from '../../src/domain/registry.ts';
import {
  contradictions,
  type DatedReport,
  dated,
  initialState,
  isRepeat,
  newMessageViolations,
} from '../../src/domain/report.ts';
import { limits } from '../../src/limits.ts';
import { anyDatedReport, anyInitialState, anyReport } from '../support/arbitraries.ts';

function status(name: string): Status {
  const found = statuses.find(candidate => candidate.name === name);
  if (found === undefined) throw new Error(`no status ${name}`);
  return found;
}

function deliveryError(name: string) {
  const found = deliveryErrors.find(candidate => candidate.name === name);
  if (found === undefined) throw new Error(`no error ${name}`);
  return found;
}

const enroute = status('PENDING_ENROUTE');
const operator = status('DELIVERED_TO_OPERATOR');
const handset = status('DELIVERED_TO_HANDSET');
const expired = status('EXPIRED_EXPIRED');
const rejected = status('REJECTED_NETWORK');
const undeliverable = status('UNDELIVERABLE_NOT_DELIVERED');
const absent = deliveryError('EC_ABSENT_SUBSCRIBER');

const sent: MessageState = { status: pendingAccepted, error: noError, at: 1000 };
const report = (at: number, fields: Partial<DatedReport>): DatedReport => ({ ...fields, at });
const said = (at: number, name: Status): DatedReport => report(at, { status: name });

const settle = (initial: MessageState, reports: readonly DatedReport[]) => settled(evidenceOf(initial, reports));

const stageOf = ({ final, groupName }: Status) => (final ? 2 : groupName === 'DELIVERED' ? 1 : 0);

describe('settle', () => {
  it.each<[string, readonly DatedReport[], Status, at: number]>([
    ['nothing was reported → as recorded', [], pendingAccepted, 1000],
    ['a later pending → that pending', [said(2000, enroute)], enroute, 2000],
    ['an earlier pending → stays', [said(500, enroute)], pendingAccepted, 1000],
    ['to the operator → moves on', [said(2000, operator)], operator, 2000],
    ['to the operator, though dated before sending → moves on', [said(500, operator)], operator, 500],
    [
      'pending after the operator → stays with the operator',
      [said(2000, operator), said(3000, enroute)],
      operator,
      2000,
    ],
    ['handset after the operator → handset', [said(2000, operator), said(3000, handset)], handset, 3000],
    ['operator after the handset → stays with the handset', [said(2000, handset), said(3000, operator)], handset, 2000],
    ['pending after a final → stays final', [said(2000, rejected), said(3000, enroute)], rejected, 2000],
    ['expired after the operator → expired', [said(2000, operator), said(3000, expired)], expired, 3000],
    [
      'expired dated before the operator → expired, for it is final',
      [said(2000, operator), said(1500, expired)],
      expired,
      1500,
    ],
    ['delivered after expired → delivered', [said(2000, expired), said(3000, handset)], handset, 3000],
    ['expired after delivered → delivered', [said(2000, handset), said(3000, expired)], handset, 2000],
    [
      'expired that arrives before an earlier delivery → delivered',
      [said(3000, expired), said(2000, handset)],
      handset,
      2000,
    ],
    ['two finals → the later', [said(2000, rejected), said(3000, undeliverable)], undeliverable, 3000],
    ['two finals out of order → the later', [said(3000, undeliverable), said(2000, rejected)], undeliverable, 3000],
    ['rejected after delivered → the later', [said(2000, handset), said(3000, rejected)], rejected, 3000],
    [
      'delivered, rejected, expired → expired does not count',
      [said(2000, handset), said(3000, rejected), said(4000, expired)],
      rejected,
      3000,
    ],
    ['expired and rejected without a delivery → the later', [said(3000, rejected), said(4000, expired)], expired, 4000],
    [
      'two finals of one moment, one of them a delivery → delivered',
      [said(2000, rejected), said(2000, handset)],
      handset,
      2000,
    ],
    ['seen without a status → the status stays', [report(5000, { seenAt: 5000 })], pendingAccepted, 1000],
  ])('%s', (_condition, reports, expectedStatus, at) => {
    const settled = settle(sent, reports);
    expect(settled.status).toEqual(expectedStatus);
    expect(settled.at).toBe(at);
  });

  it('a message recorded as final → a pending report does not move it', () => {
    expect(settle({ ...sent, status: handset }, [said(9000, enroute)]).status).toEqual(handset);
  });

  it('a message recorded as expired → a delivery moves it, whenever it happened', () => {
    expect(settle({ ...sent, status: expired }, [said(1, handset)]).status).toEqual(handset);
  });

  it('error and doneAt follow the winning status, not the latest report', () => {
    const failed = report(3000, { status: undeliverable, error: absent, doneAt: 3000 });
    const late = report(2000, { status: rejected, error: deliveryError('EC_ILLEGAL_SUBSCRIBER'), doneAt: 2000 });
    expect(settle(sent, [failed, late])).toEqual({
      ...sent,
      status: undeliverable,
      error: absent,
      doneAt: 3000,
      at: 3000,
    });
  });

  it('a status reported without an error → no error, whatever the pending one had', () => {
    expect(settle({ ...sent, error: absent }, [said(2000, handset)]).error).toEqual(noError);
  });

  it('prices of several reports → the latest, whatever status it came with', () => {
    const first = report(2000, { status: handset, price: { pricePerMessage: 0.1, currency: 'EUR' } });
    const second = report(3000, { status: enroute, price: { pricePerMessage: 0.2, currency: 'EUR' } });
    expect(settle(sent, [second, first]).price).toEqual({ pricePerMessage: 0.2, currency: 'EUR' });
  });

  it('seen several times → the first', () => {
    expect(settle(sent, [report(9000, { seenAt: 9000 }), report(8000, { seenAt: 8000 })]).seenAt).toBe(8000);
  });

  it('fields that nobody reported → absent, not undefined', () => {
    expect(Object.keys(settle(sent, [said(2000, handset)])).sort()).toEqual(['at', 'error', 'status']);
  });

  it('any reports, arriving in any order → the same state', () => {
    const permuted = fc
      .array(anyDatedReport, { maxLength: 7 })
      .chain(reports => fc.tuple(fc.constant(reports), fc.shuffledSubarray(reports, { minLength: reports.length })));
    fc.assert(
      fc.property(anyInitialState, permuted, (initial, [reports, shuffled]) => {
        expect(settle(initial, shuffled)).toEqual(settle(initial, reports));
      }),
      { numRuns: 3000 },
    );
  });

  it('any report said again → the same state', () => {
    fc.assert(
      fc.property(
        anyInitialState,
        fc.array(anyDatedReport, { minLength: 1, maxLength: 6 }),
        fc.nat(),
        (initial, reports, pick) => {
          const again = reports[pick % reports.length];
          if (again === undefined) throw new Error('out of range');
          expect(settle(initial, [...reports, again])).toEqual(settle(initial, reports));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('one more report → never a step back', () => {
    fc.assert(
      fc.property(
        anyInitialState,
        fc.array(anyDatedReport, { maxLength: 6 }),
        anyDatedReport,
        (initial, reports, more) => {
          const before = settle(initial, reports);
          const after = settle(initial, [...reports, more]);
          expect(stageOf(after.status)).toBeGreaterThanOrEqual(stageOf(before.status));
          if (stageOf(after.status) === 2 && after.status.groupName === 'EXPIRED')
            expect(before.status.final && before.status.groupName === 'DELIVERED').toBe(false);
          if (after.status.key !== before.status.key) expect(more.status?.key).toBeDefined();
          if (before.seenAt !== undefined) expect(after.seenAt).toBeLessThanOrEqual(before.seenAt);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('any reports with a delivery among them → never expired', () => {
    fc.assert(
      fc.property(
        anyInitialState,
        fc.array(anyDatedReport, { maxLength: 6 }),
        anyDatedReport,
        (initial, reports, delivery) => {
          const settled = settle(initial, [...reports, { ...delivery, status: handset }]);
          expect(settled.status.groupName).not.toBe('EXPIRED');
          expect(settled.status.final).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('any reports → the status is one that was said, as it was said', () => {
    fc.assert(
      fc.property(anyInitialState, fc.array(anyDatedReport, { maxLength: 6 }), (initial, reports) => {
        const settled = settle(initial, reports);
        expect([initial, ...reports].map(one => one.status)).toContainEqual(settled.status);
      }),
    );
  });
});

describe('dated', () => {
  it.each<[string, Parameters<typeof dated>[0], number]>([
    ['at is given → at', { at: 1, doneAt: 2, seenAt: 3 }, 1],
    ['doneAt and seenAt → doneAt', { doneAt: 2, seenAt: 3 }, 2],
    ['seenAt alone → seenAt', { seenAt: 3 }, 3],
    ['no time → its arrival', { status: handset }, 4],
    ['at is 0 → 0', { at: 0, doneAt: 2 }, 0],
  ])('%s', (_condition, given, at) => {
    expect(dated(given, 4)).toEqual({ ...given, at });
  });
});

describe('repeats', () => {
  it('any report sent again, whenever it arrives → repeats', () => {
    fc.assert(
      fc.property(anyReport, fc.integer({ min: 0, max: 10_000 }), (given, receivedAt) => {
        expect(isRepeat(given, sent, [dated(given, receivedAt)])).toBe(true);
      }),
    );
  });

  it.each<[string, Partial<DatedReport>]>([
    ['another at', { at: 2001 }],
    ['another status', { status: rejected }],
    ['the same status in other words', { status: { ...handset, description: 'arrived' } }],
    ['another error', { error: absent }],
    ['another doneAt', { doneAt: 2001 }],
    ['another seenAt', { seenAt: 2001 }],
    ['another currency', { price: { pricePerMessage: 0.1, currency: 'USD' } }],
    ['another price', { price: { pricePerMessage: 0.2, currency: 'EUR' } }],
  ])('%s → does not repeat', (_condition, change) => {
    const earlier: DatedReport = {
      at: 2000,
      status: handset,
      error: noError,
      doneAt: 2000,
      seenAt: 2000,
      price: { pricePerMessage: 0.1, currency: 'EUR' },
    };
    expect(isRepeat(earlier, sent, [earlier])).toBe(true);
    expect(isRepeat({ ...earlier, ...change }, sent, [earlier])).toBe(false);
    expect(isRepeat({ at: 2000, ...change }, sent, [earlier])).toBe(false);
  });

  it('nothing is said → repeats whatever there is', () => {
    expect(isRepeat({}, sent, [said(2000, handset)])).toBe(true);
  });
});

describe('what is kept of reports that repeat each other', () => {
  const kept = (reports: readonly DatedReport[]) => {
    const taken: DatedReport[] = [];
    for (const one of reports) if (!isRepeat(one, sent, taken)) taken.push(one);
    return settle(sent, taken);
  };

  it('an error with a status, and the same without one, in either order → one state', () => {
    const [alone, withStatus] = [report(5000, { error: absent }), report(5000, { error: absent, status: expired })];
    const winner = said(6000, handset);
    expect(kept([withStatus, alone, winner])).toEqual(kept([alone, withStatus, winner]));
  });

  it('any reports, in any two orders, those that repeat left out → one state', () => {
    const inTwoOrders = fc
      .array(anyDatedReport, { maxLength: 6 })
      .chain(reports => fc.tuple(fc.constant(reports), fc.shuffledSubarray(reports, { minLength: reports.length })));
    fc.assert(
      fc.property(inTwoOrders, ([reports, shuffled]) => {
        expect(kept(shuffled)).toEqual(kept(reports));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a new message', () => {
  const complete: Submission = {
    messageId: 'm',
    sender: 's',
    destination: 'd',
    contentJson: '{"type":"TEXT"}',
    sentAt: 5000,
  };

  it('complete and inside retention → no violation', () => {
    expect(newMessageViolations(complete, 6000, 1000)).toEqual([]);
  });

  it('only a report → every required field is named at once', () => {
    const violations = newMessageViolations({ messageId: 'm', status: handset }, 6000, 1000);
    expect(violations.map(({ property }) => property)).toEqual(['sender', 'destination', 'content']);
  });

  it.each<[string, sentAt: number, accepted: boolean]>([
    ['exactly at the horizon → accepted', 1000, true],
    ['a millisecond before the horizon → refused', 999, false],
    ['exactly five minutes ahead → accepted', 6000 + limits.futureSkewMs, true],
    ['a millisecond more than five minutes ahead → refused', 6001 + limits.futureSkewMs, false],
  ])('%s', (_condition, sentAt, accepted) => {
    const properties = newMessageViolations({ ...complete, sentAt }, 6000, 1000).map(({ property }) => property);
    expect(properties).toEqual(accepted ? [] : ['sentAt']);
  });

  it.each(['doneAt', 'seenAt', 'at'] as const)('%s more than five minutes ahead → refused', property => {
    const at = (moment: number) => newMessageViolations({ ...complete, [property]: moment }, 6000, 1000);
    expect(at(6000 + limits.futureSkewMs)).toEqual([]);
    expect(at(6001 + limits.futureSkewMs)).toMatchObject([{ property }]);
  });

  it('no sentAt → its arrival counts', () => {
    const { sentAt: _sentAt, ...undated } = complete;
    expect(newMessageViolations(undated, 6000, 6000)).toEqual([]);
    expect(newMessageViolations(undated, 6000, 6001).map(({ property }) => property)).toEqual(['sentAt']);
  });

  it('no status and no error → accepted, without an error, at its sending', () => {
    expect(initialState(complete, 5000)).toEqual({ status: pendingAccepted, error: noError, at: 5000 });
  });

  it('what became of it is known → kept, dated by doneAt', () => {
    const price = { pricePerMessage: 0, currency: 'EUR' };
    const done = { status: undeliverable, error: absent, doneAt: 7000, seenAt: 0, price };
    expect(initialState({ ...complete, ...done }, 5000)).toEqual({ ...done, at: 7000 });
  });

  it('at is given → it dates the state', () => {
    expect(initialState({ ...complete, at: 1, doneAt: 7000 }, 5000).at).toBe(1);
  });
});

describe('contradictions', () => {
  const known: LogRecord = {
    messageId: 'm',
    sender: 's',
    destination: 'd',
    sentAt: 5000,
    messageCount: 1,
    contentJson: '{"text":"hi","type":"TEXT"}',
    bulkId: 'b',
    ...sent,
  };

  it('only the id → none', () => {
    expect(contradictions(known, { messageId: 'm' })).toEqual([]);
  });

  it('everything repeated → none', () => {
    expect(contradictions(known, known)).toEqual([]);
  });

  it('content with other spacing and key order → none', () => {
    expect(contradictions(known, { messageId: 'm', contentJson: '{ "type": "TEXT", "text": "\\u0068i" }' })).toEqual(
      [],
    );
  });

  it.each<[string, Partial<Submission>]>([
    ['sender', { sender: 'x' }],
    ['destination', { destination: 'x' }],
    ['sentAt', { sentAt: 5001 }],
    ['messageCount', { messageCount: 2 }],
    ['bulkId', { bulkId: 'x' }],
    ['platform.entityId', { entityId: 'x' }],
    ['platform.applicationId', { applicationId: 'x' }],
    ['campaignReferenceId', { campaignReferenceId: 'x' }],
    ['content', { contentJson: '{"text":"ho","type":"TEXT"}' }],
  ])('another %s → a violation of it alone', (property, change) => {
    const violations = contradictions(known, { ...known, ...change });
    expect(violations.map(violation => violation.property)).toEqual([property]);
  });

  it('several differences → a violation of each', () => {
    const violations = contradictions(known, {
      messageId: 'm',
      sender: 'x',
      sentAt: 1,
      contentJson: '{"type":"IMAGE"}',
    });
    expect(violations.map(({ property }) => property)).toEqual(['sender', 'sentAt', 'content']);
  });
});
