import { describe, expect, it } from 'vitest';
import { accept } from '../../../src/domain/acceptance.ts';
import type { Submission } from '../../../src/domain/message.ts';
import { limits } from '../../../src/limits.ts';
import type { ReportRow } from '../../../src/store/embedded/rows/rows.ts';
import { packBatch } from '../../../src/store/embedded/segment/packed-batch.ts';
import {
  messageRowOf,
  movesOf,
  reportIn,
  reportRowOf,
  stateIn,
} from '../../../src/store/embedded/segment/record-row.ts';
import { chained, readChain, timelineRows } from '../../../src/store/embedded/segment/report-chain.ts';
import { settle } from '../../support/settle.ts';
import { account, delivered, enroute, expired, message, now, rejected } from '../conformance/engine.ts';

const batch = { account, binding: {}, receivedAt: now, sentSince: 0, submissions: [message('m')] };
const row = messageRowOf(packBatch(batch, 1), 0, 0);

/** The reports on one message as the writer keeps them, with each look at a row counted. */
class Reports {
  readonly rows = new Map<number, ReportRow>();
  newest = 0;
  looks = 0;

  readonly read = (sequence: number): ReportRow | undefined => {
    this.looks++;
    return this.rows.get(sequence);
  };

  /** Gives how many rows were looked at. `sumsUp`: as version 0.1.0 did not. */
  add(submission: Submission, sumsUp = true): number {
    this.looks = 0;
    const chain = readChain(row, this.newest, this.read);
    const { looks } = this;
    const accepted = accept(chain.course, submission, { binding: {}, receivedAt: now });
    if (!('course' in accepted)) throw new Error(`a report was ${accepted.outcome}`);
    const sequence = this.newest + 1;
    const { summary } = chained(chain, sequence, accepted);
    const place = { sequence, position: 0, message: row, previous: this.newest };
    this.rows.set(sequence, reportRowOf(place, now, accepted, sumsUp ? summary : undefined, movesOf(accepted)));
    this.newest = sequence;
    return looks;
  }
}

const reportAt = (i: number): Submission => ({
  messageId: 'm',
  status: [enroute, rejected, expired, delivered][i % 4] ?? enroute,
  at: now - ((i * 7919) % 5000),
  ...(i % 3 === 0 && { doneAt: now - i }),
});

const stateOf = (reports: Reports) => stateIn(reports.rows.get(reports.newest) ?? row);

describe('the reports on one message', () => {
  it('thousands of them → each reads a few of those before it, and the state is that of all', () => {
    const reports = new Reports();
    const looks = Array.from({ length: 3000 }, (_, i) => reports.add(reportAt(i)));
    expect(Math.max(...looks)).toBeLessThanOrEqual(limits.repeatsSoughtMax + 1);
    const all = [...reports.rows.values()].map(reportIn);
    expect(stateOf(reports)).toEqual(settle(stateIn(row), all));
  });

  it('thousands of them → their timeline is read from both ends, and counts the rest', () => {
    const reports = new Reports();
    for (let i = 0; i < 3000; i++) reports.add(reportAt(i));
    reports.looks = 0;
    const { rows, omitted } = timelineRows(reports.newest, reports.read);
    const { timelineFirstMax: first, timelineNewestMax: newest } = limits;
    expect(reports.looks).toBeLessThanOrEqual(first + newest + 1);
    expect(rows.map(({ sequence }) => sequence)).toEqual([
      ...Array.from({ length: first }, (_, i) => 1 + i),
      ...Array.from({ length: newest }, (_, i) => 3001 - newest + i),
    ]);
    expect(omitted).toBe(3000 - first - newest);
  });

  it('thousands by version 0.1.0, which summed up none → read whole once, then a few at a time, and shown alike', () => {
    const [old, present] = [new Reports(), new Reports()];
    for (let i = 0; i < 600; i++) {
      old.add(reportAt(i), false);
      present.add(reportAt(i));
    }
    const shown = (reports: Reports) => {
      const { rows, omitted } = timelineRows(reports.newest, reports.read);
      return { omitted, sequences: rows.map(({ sequence }) => sequence), state: stateOf(reports) };
    };
    expect(shown(old)).toEqual(shown(present));
    expect(old.add(reportAt(600))).toBe(600);
    present.add(reportAt(600));
    const looks = Array.from({ length: 100 }, (_, i) => {
      present.add(reportAt(601 + i));
      return old.add(reportAt(601 + i));
    });
    expect(Math.max(...looks)).toBeLessThanOrEqual(limits.repeatsSoughtMax + 1);
    expect(shown(old)).toEqual(shown(present));
  });
});
