import { describe, expect, it } from 'vitest';
import type { Binding, Submission } from '../../../src/domain/message.ts';
import { pendingAccepted } from '../../../src/domain/registry.ts';
import { delivered, engineFor, find1, message, now, type OpenEngine, outcome, record, recordAll } from './engine.ts';

/** What callers are told of what they may not see. */
export function wallTests(openEngine: OpenEngine): void {
  describe('a caller who may not read', () => {
    const whole = message('m', { bulkId: 'b', campaignReferenceId: 'c', applicationId: 'a', entityId: 'e' });
    const fields = ['sender', 'destination', 'bulkId', 'campaignReferenceId', 'applicationId', 'entityId'] as const;
    const unread = { mayRead: false };

    it('reports that repeat the message, rightly or not → the same answers, and the message as it was', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [whole]);
      const guesses: readonly Partial<Submission>[] = [
        ...fields.map(field => ({ [field]: `not ${whole[field]}` })),
        { sentAt: now - 1 },
        { messageCount: 9 },
        { contentJson: '{"type":"TEXT","text":"another"}' },
      ];
      const answers = new Set<string>();
      const before = await find1(store, 'm');
      for (const [i, guess] of guesses.entries()) {
        const at = now + i;
        for (const repeated of [guess, whole])
          for (const name of Object.keys(guess) as (keyof Submission)[]) {
            const report = { messageId: 'm', status: delivered, at, [name]: repeated[name] };
            const { recorded, rejected } = await record(store, [report], unread);
            answers.add(JSON.stringify([recorded, rejected]));
          }
      }
      expect([...answers]).toEqual(['[0,[]]']);
      const { status, doneAt, at, ...identity } = await find1(store, 'm');
      expect(before).toMatchObject(identity);
    });

    it('another whole message under a known id → refused, and nothing named', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [whole]);
      const properties = new Set<string>();
      for (const field of fields) {
        const { rejected } = await record(store, [{ ...whole, [field]: 'another' }], unread);
        properties.add(JSON.stringify(rejected.map(({ violations }) => violations)));
      }
      expect(properties.size).toBe(1);
      for (const field of fields) expect([...properties].join()).not.toContain(field);
      expect(await record(store, [whole], unread)).toMatchObject({ unchanged: 1, rejected: [] });
    });
  });

  describe('a bound key', () => {
    const bound = message('bound', { applicationId: 'app', entityId: 'ent' });
    const other = message('other', { applicationId: 'app2', entityId: 'ent' });
    const free = message('free');

    it.each<[Binding, outside: readonly string[]]>([
      [{ applicationId: 'app' }, ['other', 'free']],
      [{ entityId: 'ent' }, ['free']],
      [{ applicationId: 'app', entityId: 'ent' }, ['other', 'free']],
      [{ applicationId: 'app', entityId: 'ent2' }, ['bound', 'other', 'free']],
      [{}, []],
    ])(
      '%j reports on messages → those outside are answered for as if they were not there',
      async (binding, outside) => {
        const { store } = await engineFor(openEngine);
        const all = [bound, other, free];
        await recordAll(store, all);
        const answer = await record(
          store,
          all.map(({ messageId }) => ({ messageId, status: delivered })),
          { binding },
        );
        expect(answer).toEqual(outcome({ updated: all.length - outside.length, waiting: outside.length }));
        const missing = await record(store, [{ messageId: 'missing', status: delivered }], { binding });
        expect(missing).toEqual(outcome({ waiting: 1 }));
        for (const one of all)
          expect((await find1(store, one.messageId)).status).toEqual(
            outside.includes(one.messageId) ? pendingAccepted : delivered,
          );
      },
    );
  });
}
