import { expect, onTestFinished, test } from 'vitest';
import type { RunningGraph } from '../../src/simulator/open.ts';
import { longestPauseMs } from '../../src/simulator/webhook-caller.ts';
import { ClockFile } from '../support/clock-file.ts';
import { type Log, SendingSetup } from '../support/sending-setup.ts';

/** As many as the issue of a bad day asks for; fewer while the test itself is tried. */
const sends = Number(process.env.SENTLOG_TEST_SENDS ?? 100_000);
const kills = 10;
const pages = Array.from({ length: 20 }, (_, index) => String(1_000_000 + index));
const perRequest = 100;
const loaders = 4;

test('sends with kills at random moments, answers lost, receipts twice → each one true end, none twice, as Meta has it', async () => {
  const setup = await SendingSetup.open(
    { lostShare: 0.05, duplicateShare: 0.05, answerMs: 5 },
    {},
    Object.fromEntries(pages.map(page => [`token-of-${page}`, page])),
  );
  for (const page of pages) await setup.addSender(`token-of-${page}`, page);
  const accepted: string[] = [];
  let next = 0;
  for (let round = 0; round < kills; round++) {
    const server = await setup.serve();
    const enough = Math.ceil((sends * (round + 1)) / kills);
    const load = Array.from({ length: loaders }, async () => {
      while (accepted.length < enough) {
        const first = next;
        next += perRequest;
        const ids = Array.from({ length: perRequest }, (_, index) => `m${first + index}`);
        const page = pages[(first / perRequest) % pages.length] ?? '';
        try {
          const answer = await setup.send(ids, index => `person ${(first + index) % 397}`, page);
          if (answer.status !== 200) throw new Error(`refused: ${answer.status}`);
          await answer.arrayBuffer();
          accepted.push(...ids);
        } catch (error) {
          if (error instanceof Error && error.message.startsWith('refused')) throw error;
          return;
        }
      }
    });
    // Somewhere in the second half of what this round takes.
    const moment = accepted.length + Math.ceil((enough - accepted.length) * (0.5 + Math.random() / 2));
    while (accepted.length < moment) await new Promise(resolve => setTimeout(resolve, 5));
    await server.end('SIGKILL');
    await Promise.all(load);
  }
  const server = await setup.serve();
  const waiting = async () => {
    const told = await (await fetch(`${setup.address}/metrics`)).text();
    const values = [...told.matchAll(/^sentlog_outbox_(?:messages|untold_changes)\{(.*)\} (\d+)$/gm)];
    return Object.fromEntries(values.map(([, labels = '', count]) => [labels, Number(count)]));
  };
  const nothing = { 'state="scheduled"': 0, 'state="queued"': 0, 'state="claimed"': 0, 'of="log"': 0 };
  await expect.poll(waiting, { timeout: 3_600_000, interval: 1000 }).toMatchObject(nothing);
  await server.end('SIGTERM');
  // What was claimed and never sent ends when its echo was waited for.
  const clock = new ClockFile();
  onTestFinished(() => clock.remove());
  clock.shiftMs = 20 * 60_000;
  await setup.serve(clock.launch);
  await expect.poll(waiting, { timeout: 600_000, interval: 1000 }).toEqual({ ...nothing, 'state="unknown"': 0 });
  const sent = new Map(setup.graph.meta.sent().map(one => [one.metadata, one]));
  expect(sent.size).toBe(setup.graph.meta.sent().length);
  // Until then a time may be what a later receipt implied.
  await heardOfAll(setup.graph);
  await expect.poll(waiting, { timeout: 600_000, interval: 1000 }).toMatchObject(nothing);
  const isTrue = ({ messageId, status, doneAt }: Log) => {
    const truth = sent.get(messageId);
    return truth === undefined
      ? status.name === 'EXPIRED_DLR_UNKNOWN'
      : status.name === 'DELIVERED_TO_HANDSET' && Date.parse(doneAt ?? '') === truth.deliveredAt;
  };
  const logs = await setup.logs();
  const logged = new Map(logs.map(one => [one.messageId, one]));
  expect(accepted.filter(id => !logged.has(id))).toEqual([]);
  const wrong = logs.filter(one => !isTrue(one));
  expect(
    wrong.map(({ messageId, status, doneAt }) => ({ messageId, status, doneAt, truth: sent.get(messageId) })),
  ).toEqual([]);
  for (const { messageId, error } of logs)
    expect(error.name, messageId).toBe(sent.has(messageId) ? 'NO_ERROR' : 'EC_PROVIDER_TIMEOUT');
  expect(accepted.filter(id => !sent.has(id)).length).toBeLessThanOrEqual(kills * 256);
  // Reads tell how far a conversation was read: of a message whose echo came after several, the last of them is known.
  for (const [id = '', { seenAt }] of [...sent].filter((_, index) => index % Math.ceil(sent.size / 300) === 0))
    expect(Date.parse((await setup.history(id)).seenAt ?? ''), id).toBeGreaterThanOrEqual(seenAt ?? 0);
}, 7_200_000);

/** Meta calls again after up to a quarter of an hour what a killed server did not take: its clock is put forward for that. */
async function heardOfAll({ meta, isQuiet }: RunningGraph): Promise<void> {
  // Whatever is made of a message has its time by then.
  const isSeen = () => meta.sent().every(one => one.seenAt !== undefined);
  await expect.poll(isSeen, { timeout: 600_000, interval: 1000 }).toBe(true);
  const isHeard = () => {
    meta.clock.advance(longestPauseMs);
    return isQuiet();
  };
  await expect.poll(isHeard, { timeout: 600_000, interval: 1000 }).toBe(true);
}
