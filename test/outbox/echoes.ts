import { expect, it } from 'vitest';
import type { Outgoing } from '../../src/domain/outgoing.ts';
import type { Receipt } from '../../src/outbox/outbox.ts';
import { accounts, message, type outboxes, page, record, start, tellAll, validityMs, want } from './support.ts';

/** A message as it may be sent, and as others send it. */
function outgoing(messageId: string, destination: string): Outgoing {
  const { lane, ...one } = message(messageId, { destination });
  return one;
}

/** The contract of `Outbox` for echoes of messages that others sent, or that may be theirs. */
export function echoesOfOthers({ open, add, claimOne }: ReturnType<typeof outboxes>): void {
  it('echoes of what others sent, where the page is watched → messages, whatever was heard of them first, each once', async () => {
    const outbox = await open();
    const foreignEcho = (mid: string, psid: string, at: number): Receipt => ({
      ...{ kind: 'echo', accounts, page, psid, mid, at },
      foreign: {
        accounts,
        message: { ...outgoing(mid, psid), dueAt: at, expiresAt: at + validityMs, isForeign: true },
      },
    });
    await outbox.receive([{ kind: 'delivered', accounts, page, psid: 'p1', mids: ['f1'], at: start + 50 }], start + 50);
    await outbox.receive(
      [{ kind: 'read', accounts, page, psid: 'p1', watermark: start + 60, at: start + 70 }],
      start + 70,
    );
    const echoes = [foreignEcho('f1', 'p1', start + 10), foreignEcho('f2', 'p2', start + 20)];
    await outbox.receive([...echoes, ...echoes], start + 80);
    await outbox.receive(echoes, start + 90);
    await outbox.receive([{ kind: 'echo', accounts, page, psid: 'p3', mid: 'unwatched', at: start }], start + 90);
    await outbox.receive(
      [{ kind: 'delivered', accounts, page, psid: 'p2', mids: [], watermark: start + 95, at: start + 96 }],
      start + 96,
    );
    await outbox.lapse(start + 10 * validityMs);
    const told = Map.groupBy(await tellAll(outbox), one => one.messageId);
    expect([...told.keys()].sort()).toEqual(['f1', 'f2']);
    expect(told.get('f1')?.[0]).toMatchObject({ sender: page, destination: 'p1', sentAt: start + 10 });
    expect(record(told.get('f1') ?? [])).toMatchObject({
      status: 'DELIVERED_TO_HANDSET',
      doneAt: start + 50,
      seenAt: start + 70,
    });
    expect(record(told.get('f2') ?? [])).toMatchObject({ status: 'DELIVERED_TO_HANDSET', doneAt: start + 96 });
    expect(await outbox.takeReports({ account: 1, limit: 10 })).toEqual([]);
  });

  it('an echo of our own over a page that is watched → ours, by its id or by what went along', async () => {
    const outbox = await open();
    await add(outbox, [message('m1'), message('m2', { destination: 'p2' })]);
    const claimed = await outbox.claim([want], start);
    const m2 = claimed.find(one => one.message.messageId === 'm2');
    await outbox.settle([{ id: m2?.id ?? 0, kind: 'sent', mid: 'mid2' }], start);
    const foreign = (mid: string, psid: string) => ({ accounts, message: outgoing(mid, psid) });
    await outbox.receive(
      [
        {
          kind: 'echo',
          accounts,
          page,
          psid: 'p1',
          mid: 'mid1',
          metadata: 'm1',
          at: start,
          foreign: foreign('mid1', 'p1'),
        },
        { kind: 'echo', accounts, page, psid: 'p2', mid: 'mid2', at: start, foreign: foreign('mid2', 'p2') },
      ],
      start,
    );
    const told = await tellAll(outbox);
    expect([...new Set(told.map(one => one.messageId))].sort()).toEqual(['m1', 'm2']);
  });

  it('an echo of another program’s that numbers its messages as we do → its own, and ours as it was, whichever comes first', async () => {
    for (const isFirst of [true, false]) {
      const outbox = await open();
      await add(outbox, [message('m1')]);
      const { id } = await claimOne(outbox);
      await outbox.settle([{ id, kind: 'sent', mid: 'ours', psid: 'p1' }], start + 1);
      const echo = (mid: string, psid: string): Receipt => ({
        ...{ kind: 'echo', accounts, page, psid, mid, metadata: 'm1', at: start + 3 },
        foreign: { accounts, message: outgoing(mid, psid) },
      });
      const [ours, theirs] = [echo('ours', 'p1'), echo('theirs', 'p2')];
      for (const one of isFirst ? [theirs, ours] : [ours, theirs]) await outbox.receive([one], start + 4);
      await outbox.receive(
        [{ kind: 'delivered', accounts, page, psid: 'p1', mids: ['ours'], at: start + 5 }],
        start + 6,
      );
      const told = Map.groupBy(await tellAll(outbox), one => one.messageId);
      expect([...told.keys()].sort()).toEqual(['m1', 'theirs']);
      expect(record(told.get('m1') ?? [])).toMatchObject({ status: 'DELIVERED_TO_HANDSET', doneAt: start + 5 });
      expect(record(told.get('theirs') ?? [])).toMatchObject({ status: 'PENDING_ENROUTE' });
    }
  });

  it('two accounts with one page and one id → an echo is of one of theirs; whoever watches has what the other sent', async () => {
    const outbox = await open();
    for (const account of [1, 2]) await outbox.add({ account, messages: [message('same')], now: start });
    const claimed = await outbox.claim([want, { ...want, account: 2 }], start);
    const of = (account: number) => claimed.find(one => one.account === account)?.id ?? 0;
    await outbox.settle([{ id: of(2), kind: 'sent', mid: 'mid 2', psid: 'p1' }], start + 5);
    const echo = (mid: string): Receipt => ({
      ...{ kind: 'echo', accounts: [1, 2, 3, 4], page, psid: 'p1', mid, metadata: 'same', at: start + 3 },
      foreign: { accounts: [3, 4], message: { ...outgoing(mid, 'p1'), isForeign: true } },
    });
    const told = async () =>
      (await outbox.untold(100)).map(
        one => `${one.account} ${one.submission.messageId} ${one.submission.status?.name}`,
      );
    await outbox.receive([echo('mid 2'), echo('mid 2')], start + 10);
    expect((await told()).sort()).toEqual([
      '1 same PENDING_ACCEPTED',
      '2 same PENDING_ACCEPTED',
      '2 same PENDING_ENROUTE',
      '3 mid 2 PENDING_ENROUTE',
      '4 mid 2 PENDING_ENROUTE',
    ]);
    await outbox.receive([echo('mid 1'), echo('mid 2'), echo('mid 1')], start + 20);
    expect((await told()).sort()).toEqual([
      '1 same PENDING_ACCEPTED',
      '1 same PENDING_ENROUTE',
      '2 same PENDING_ACCEPTED',
      '2 same PENDING_ENROUTE',
      '3 mid 1 PENDING_ENROUTE',
      '3 mid 2 PENDING_ENROUTE',
      '4 mid 1 PENDING_ENROUTE',
      '4 mid 2 PENDING_ENROUTE',
    ]);
  });
}
