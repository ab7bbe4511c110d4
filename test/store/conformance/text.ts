import { describe, expect, it } from 'vitest';
import type { Filter } from '../../../src/domain/filter.ts';
import type { EpochMs, LogRecord } from '../../../src/domain/message.ts';
import { summaryRange } from '../../../src/domain/summary.ts';
import type { Query, Store } from '../../../src/store/store.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import {
  account,
  delivered,
  engineFor,
  findIds,
  horizon,
  idsOf,
  message,
  messages,
  now,
  type OpenEngine,
  openings,
  query,
  record,
  recordAll,
} from './engine.ts';

const contentOf = (text: string) => JSON.stringify({ type: 'TEXT', text });

/** Of several scripts, with letters in several forms, and what no word is. */
const texts = [
  'Your parcel is on its way',
  'Votre colis est arrivé à Zürich',
  'Straße gesperrt, bitte umfahren',
  'Va\u0300 piano e\u0301',
  '東京都に届きました',
  'งานของคุณเสร็จแล้ว',
  'השליח בדרך אליך',
  'شُحنت طلبيتك اليوم',
  'आपका पार्सल',
  'Σίσυφος ΟΔΟΣ',
  '👩‍👧 🎉 10 €',
  `${'x'.repeat(30_000)} end`,
  '',
];
const asked = [
  'parcel',
  'PARCEL way',
  '"on its way"',
  '"its on"',
  'arrive zurich',
  'strasse',
  'va piano é',
  '京都',
  '都京',
  'เสร็จ',
  'בדרך',
  'شحنت',
  'पार्सल',
  'οδοσ',
  '🎉',
  '€ 10',
  'end',
  'absent',
  'id-1',
  '-0000',
  'campaign',
];

/** Pages of a walk that get little time: a slow machine reads a row in each, and would need thousands. */
const hastyPages = 40;

/** A page of a walk after the other, the first ones with little time; what they tell of how far they came. */
async function slowWalk(
  store: Store,
  fields: Partial<Query>,
  meanwhile: (page: number) => Promise<void> = async () => {},
): Promise<{ readonly logs: readonly LogRecord[]; readonly pages: number }> {
  const logs: LogRecord[] = [];
  let reached = Infinity;
  let after: string | undefined;
  for (let pages = 1; ; pages++) {
    const budgetMs = pages <= hastyPages ? 1 : 60_000;
    const page = await store.find(query({ budgetMs, ...fields, ...(after !== undefined && { after }) }));
    expect(page.logs.length).toBeLessThanOrEqual(fields.limit ?? 1000);
    logs.push(...page.logs);
    if (page.reached !== undefined) {
      expect(page.reached).toBeLessThanOrEqual(reached);
      expect(page.next).toBeDefined();
      for (const { sentAt } of page.logs) expect(sentAt).toBeGreaterThanOrEqual(page.reached);
      reached = page.reached;
    }
    if (page.next === undefined) return { logs, pages };
    after = page.next;
    await meanwhile(pages);
  }
}

/** Messages that have words: found as the domain says, by everything that reads. */
export function textTests(openEngine: OpenEngine): void {
  describe('text', () => {
    const recorded = messages(120, i => ({
      messageId: `id-${i % 20}-${String(i).padStart(8, '0')}`,
      contentJson: contentOf(texts[i % texts.length] ?? ''),
      sentAt: now - ((i * 31) % 40) * 1000,
      ...(i % 2 === 0 && { bulkId: `bulk ${i % 3}`, applicationId: 'a' }),
      ...(i % 5 === 0 && { campaignReferenceId: 'Campaign Été', entityId: 'e' }),
      ...(i % 7 === 0 && { status: delivered }),
    }));

    it('any words, beside other conditions and left out → what the reference store finds', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 16 });
      const model = new MemoryStore();
      for (const store of [engine.store, model]) await recordAll(store, recorded);
      await recordAll(engine.store, recorded.slice(0, 40), { account: 2 });
      const beside: readonly Filter[] = [
        {},
        { applicationId: 'a' },
        { generalStatus: 'DELIVERED' },
        { bulkId: ['bulk 0', 'bulk 1'], sentSince: now - 30_000 },
        { not: { text: 'parcel', generalStatus: 'DELIVERED' } },
      ];
      const filters = asked.flatMap((text, i) => [
        { text, ...beside[i % beside.length] },
        ...(i % 4 === 0 ? [{ text }, { not: { text } }] : []),
      ]);
      let found = 0;
      for await (const store of openings(engine))
        for (const filter of filters) {
          const expected = await findIds(model, filter);
          expect(await findIds(store, filter), JSON.stringify(filter)).toEqual(expected);
          found += expected.length;
        }
      expect(found).toBeGreaterThan(1000);
    });

    it('little time, and messages that come and change meanwhile → each page says how far it came, a walk is exact', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 250 });
      const many = messages(2100, i => ({
        contentJson: contentOf(i % 50 === 0 ? 'a needle' : 'hay'),
        sentAt: now - ((i * 7) % 1000),
      }));
      await recordAll(store, many);
      const filter: Filter = { text: 'needle', generalStatus: 'PENDING' };
      const expected = await findIds(store, filter);
      expect(expected).toHaveLength(42);
      // It concerns nothing but words.
      expect(Object.keys(await store.find(query({ budgetMs: 0, limit: 10 })))).toEqual(['logs']);
      const begun = await store.find(query({ budgetMs: 0, filter: { text: 'absent' } }));
      // An engine may know at once that nothing has it.
      const toGoOn = { logs: [], next: expect.any(String), reached: expect.any(Number) };
      expect(begun).toEqual(begun.next === undefined ? { logs: [] } : toGoOn);
      expect((await slowWalk(store, { filter: { text: 'absent' } })).logs).toEqual([]);
      // Where no walk was asked for, a page that is full is the last.
      const full = await slowWalk(store, { limit: 30, filter });
      expect(idsOf(full.logs)).toEqual(expected.slice(0, full.logs.length));
      const { logs, pages } = await slowWalk(store, { walk: true, limit: 30, filter }, async page => {
        // An engine may need few pages, or many.
        if (page > 6) return;
        const late = messages(3, i => ({ messageId: `late ${page} ${i}`, contentJson: contentOf('needle') }));
        await recordAll(store, late);
        const reported = many.slice((page - 1) * 700, page * 700);
        await record(
          store,
          reported.map(({ messageId }) => ({ messageId, status: delivered })),
        );
      });
      expect(idsOf(logs)).toEqual(expected);
      expect(logs.every(log => log.status.groupName === 'PENDING')).toBe(true);
      expect(pages).toBeGreaterThan(1);
      const left = (await findIds(store, filter)).filter(id => !id.startsWith('late'));
      expect(left.length).toBeLessThan(expected.length);
    });

    it('words of another account → not found, whatever they are', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 5 });
      await recordAll(store, [message('ours', { contentJson: contentOf('our secret') })]);
      await recordAll(store, [message('theirs-0815', { contentJson: contentOf('their secret') })], { account: 2 });
      expect(await findIds(store, { text: 'secret' })).toEqual(['ours']);
      for (const text of ['their', '0815', 'theirs-0815']) expect(await findIds(store, { text })).toEqual([]);
    });

    it('a summary by words, broken down → as counted by hand; without time nothing that is not known', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 16 });
      const model = new MemoryStore();
      for (const one of [store, model]) await recordAll(one, recorded);
      const summarize = (one: Store, filter: Filter, budgetMs: EpochMs) =>
        one.summarize({
          account,
          filter,
          sentSince: horizon,
          range: summaryRange(filter, horizon, now, 10),
          by: ['campaignReferenceId'],
          budgetMs,
        });
      for (const filter of [{ text: 'parcel' }, { text: 'strasse', applicationId: 'a' }, { not: { text: 'parcel' } }]) {
        expect(await summarize(store, filter, 60_000)).toEqual(await summarize(model, filter, 60_000));
        const hasty = await summarize(store, filter, 0);
        if (!hasty.complete) expect(hasty.total).toBeUndefined();
      }
    });
  });
}
