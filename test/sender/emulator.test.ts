import { describe, expect, it } from 'vitest';
import { limits } from '../../src/limits.ts';
import { behaviours } from '../../src/simulator/destinations.ts';
import { contents } from '../support/send-contents.ts';
import { Played, text } from './played.ts';

const hourMs = 3_600_000;
const validityMs = 48 * hourMs;

describe('a sender over a Meta that is played', () => {
  it('every destination of the table → what the table says of the log', async () => {
    const played = await Played.open();
    // Each over a page of its own: some of them stop theirs.
    await played.send(...behaviours.map(({ name }) => text(name, name, `page of ${name}`)));
    await played.pass(hourMs, 8);
    await played.pass(validityMs, 2);
    for (const { name, outcome } of behaviours) {
      const expected = outcome.split(/[:;]/)[0] ?? '';
      const status = /^[A-Z_]+/.exec(expected)?.[0];
      const error = /EC_\w+/.exec(outcome)?.[0] ?? 'NO_ERROR';
      const seen = expected.includes('and seen') ? ' seen' : '';
      expect(await played.outcome(name), name).toBe(`${status} ${error}${seen}`);
    }
  });

  it('an SMS in its place → accepted, never sent, and the log says so', async () => {
    const played = await Played.open();
    const smsFailover = { text: 'As an SMS' };
    await played.send({ ...text('blocked', 'm1'), options: { smsFailover } }, text('blocked', 'm2'));
    await played.pass(60_000, 2);
    expect(JSON.parse((await played.history('m1')).log.extraJson ?? '{}')).toEqual({
      smsFailover: 'not carried out: there is no SMS here',
    });
    expect((await played.history('m2')).log.extraJson).toBeUndefined();
    expect(played.emulator.meta.sent()).toEqual([]);
  });

  it('a validity as long as the log’s memory → the log still shows that it is over', async () => {
    for (const retentionMs of [validityMs, hourMs, 10_000]) {
      const played = await Played.open({}, { retentionMs });
      await played.send(text('no-receipt', 'm1'), text('no-receipt', 'm2'));
      const [{ log }] = [await played.history('m1')];
      const shownMs = Math.min(10 * 60_000, retentionMs / 2);
      await played.pass(retentionMs - shownMs - 2000, 2);
      expect(await played.outcome('m1')).toBe('PENDING_ENROUTE NO_ERROR');
      await played.pass(3000);
      expect(await played.outcome('m1')).toBe('EXPIRED_DLR_UNKNOWN EC_VALIDITY_EXPIRED');
      expect(played.emulator.clock.now() - log.sentAt).toBeLessThan(retentionMs);
      expect(played.notes).toEqual([]);
    }
  });

  it('sent → accepted, on its way, delivered, seen: each at its time', async () => {
    const played = await Played.open();
    const [accepted] = await played.send(text('seen', 'm1'));
    expect(accepted).toMatchObject({ messageId: 'm1', destination: 'seen', status: { name: 'PENDING_ACCEPTED' } });
    await played.pass(60_000);
    const { log, timeline } = await played.history('m1');
    expect(timeline.map(one => one.status.name)).toEqual([
      'PENDING_ACCEPTED',
      'PENDING_ENROUTE',
      'DELIVERED_TO_HANDSET',
      'DELIVERED_TO_HANDSET',
    ]);
    const [sent] = played.emulator.meta.sent();
    expect([log.doneAt, log.seenAt]).toEqual([sent?.deliveredAt, sent?.seenAt]);
  });

  it('every kind of content → in the log as it came, and carried or refused', async () => {
    const played = await Played.open();
    const messages = contents.map((content, index) => ({ ...text(`to-${index}`, `m${index}`), content }));
    await played.send(...messages);
    await played.pass(hourMs, 12);
    for (const [index, content] of contents.entries()) {
      const { log } = await played.history(`m${index}`);
      expect(JSON.parse(log.contentJson)).toEqual(content);
      const inner = content.content;
      const isAction = (value: unknown) => JSON.stringify(value)?.includes('"type":"SENDER_ACTION"');
      const expected =
        content.type === 'MARKETING_MESSAGE' || isAction(inner)
          ? 'UNDELIVERABLE_REJECTED_PLATFORM'
          : content.type === 'SENDER_ACTION'
            ? 'DELIVERED_TO_OPERATOR'
            : 'DELIVERED_TO_HANDSET';
      expect(log.status.name, JSON.stringify(content)).toBe(expected);
    }
  });

  it('an id that was sent, or that the log has from elsewhere → rejected as a duplicate, the first untouched', async () => {
    const played = await Played.open();
    const now = played.emulator.clock.now();
    const submission = { messageId: 'elsewhere', sender: 's', destination: 'd', contentJson: '{"type":"TEXT"}' };
    const batch = { account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [submission] };
    await played.store.record(batch);
    const answers = await played.send(
      text('seen', 'm1'),
      text('blocked', 'm1'),
      text('seen', 'elsewhere'),
      text('', 'm2'),
    );
    expect(answers.map(one => one.status.name)).toEqual([
      'PENDING_ACCEPTED',
      'REJECTED_DUPLICATE_MESSAGE_ID',
      'REJECTED_DUPLICATE_MESSAGE_ID',
      'MISSING_TO',
    ]);
    await played.pass(60_000);
    expect(await played.outcome('m1')).toBe('DELIVERED_TO_HANDSET NO_ERROR seen');
    expect((await played.history('elsewhere')).timeline.length).toBe(1);
    expect(played.emulator.meta.sent().length).toBe(1);
  });

  it('Meta down for ten minutes → it is asked now and then, by one message; all is sent after, in order, nothing twice', async () => {
    const played = await Played.open();
    const { meta } = played.emulator;
    meta.isDown = true;
    const ids = Array.from({ length: 20 }, (_, index) => `m${index}`);
    const others = Array.from({ length: 400 }, (_, index) => `other ${index}`);
    await played.send(...ids.map(id => text('one person', id)), ...others.map(id => text(id)));
    await played.pass(600_000, 60);
    const { sends } = await played.sender.figures();
    // A burst of what may be under way at once, and one after each pause: the pauses grow to a minute.
    expect(sends.again).toBeLessThan(limits.sendingMax + 30);
    expect(sends.again).toBeGreaterThan(10);
    expect(sends.failed).toBe(0);
    expect(played.sender.paused()).toMatchObject([{ sender: 'page-1' }]);
    meta.isDown = false;
    await played.pass(120_000, 60);
    expect(played.sender.paused()).toEqual([]);
    const sent = meta.sent().map(one => one.metadata);
    expect(sent.filter(id => id?.startsWith('m'))).toEqual(ids);
    expect(sent.toSorted()).toEqual([...ids, ...others].toSorted());
    for (const id of ids) expect(await played.outcome(id)).toBe('DELIVERED_TO_HANDSET NO_ERROR seen');
  });

  it('receipts twice and late, answers lost → every message one true end', async () => {
    const played = await Played.open({
      lostShare: 0.3,
      duplicateShare: 0.5,
      reorderShare: 0.5,
      mix: { seen: 3, delivered: 2, 'no-receipt': 1, blocked: 1 },
    });
    const ids = Array.from({ length: 120 }, (_, index) => `m${index}`);
    await played.send(...ids.map((id, index) => text(`person ${index % 30}`, id)));
    await played.pass(hourMs, 30);
    await played.pass(validityMs, 2);
    const sent = new Map(played.emulator.meta.sent().map(one => [one.metadata, one]));
    expect(played.emulator.meta.sent().length).toBe(sent.size);
    for (const id of ids) {
      const truth = sent.get(id);
      const { log } = await played.history(id);
      if (truth === undefined) expect(log.error.name, id).toBe('EC_BLOCKED_USER');
      else if (truth.deliveredAt === undefined) expect(log.status.name, id).toBe('EXPIRED_DLR_UNKNOWN');
      else
        expect([log.status.name, log.seenAt !== undefined], id).toEqual([
          'DELIVERED_TO_HANDSET',
          truth.seenAt !== undefined,
        ]);
    }
  });

  it('a page whose token is refused → it alone pauses, and goes on when it is mended', async () => {
    const played = await Played.open();
    await played.send(text('unauthorized', 'bad', 'page-1'));
    await played.pass(100);
    await played.send(text('seen', 'waits', 'page-1'), text('seen', 'flows', 'page-2'));
    await played.pass(10_000);
    expect(await played.outcome('bad')).toBe('UNDELIVERABLE_REJECTED_OPERATOR EC_UNAUTHORIZED_ACCESS');
    expect(await played.outcome('waits')).toBe('PENDING_ACCEPTED NO_ERROR');
    expect(await played.outcome('flows')).toBe('DELIVERED_TO_HANDSET NO_ERROR seen');
    expect(played.sender.paused()).toEqual([{ account: 1, sender: 'page-1', reason: 'Graph error 190/463' }]);
    await played.pass(120_000, 4);
    expect(await played.outcome('waits')).toBe('DELIVERED_TO_HANDSET NO_ERROR seen');
    expect(played.sender.paused()).toEqual([]);
  });

  it('a receipt on demand, a reset → at once', async () => {
    const played = await Played.open();
    await played.send(text('no-receipt', 'm1'));
    await played.pass(100);
    expect(await played.outcome('m1')).toBe('PENDING_ENROUTE NO_ERROR');
    const receipt = { messageId: 'm1', kind: 'seen' };
    expect((await played.emulator.handle('POST', 'receipts', receipt, 1))?.status).toBe(200);
    expect(await played.outcome('m1')).toBe('DELIVERED_TO_HANDSET NO_ERROR seen');
    await played.emulator.handle('POST', 'reset', {}, 1);
    expect(played.emulator.meta.sent()).toEqual([]);
    expect((await played.outbox.stats()).queued).toBe(0);
  });

  it('a schedule and a window → sent at their time', async () => {
    const played = await Played.open();
    const now = played.emulator.clock.now();
    const tomorrow = new Date(now + 24 * hourMs);
    const day = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY'][tomorrow.getUTCDay()];
    await played.send({ ...text('seen', 'm1'), options: { deliveryTimeWindow: { days: [day] } } });
    expect(await played.store.history(1, 'm1', 0)).toBeUndefined();
    await played.pass(24 * hourMs, 4);
    await played.pass(60_000, 2);
    const { log } = await played.history('m1');
    expect(log.status.name).toBe('DELIVERED_TO_HANDSET');
    expect(new Date(log.sentAt).getUTCDay()).toBe(tomorrow.getUTCDay());
  });
});
