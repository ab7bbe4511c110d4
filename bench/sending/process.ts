/** One side of sending: a server that accepts messages and sends them, or the simulated Meta that it sends them to. */

import { type Queue, servePlainQueue } from '../comparators/plain-queue.ts';
import { PlainPostgresQueue } from '../comparators/queue-postgres.ts';
import { PlainSqliteQueue } from '../comparators/queue-sqlite.ts';
import { peakBytes } from '../machine.ts';
import { openMeta, type SimulatedSide } from './graph.ts';
import type { OutboxChoice, SendingCommand, SendingPlaces, SendingReply } from './messages.ts';
import { serveSentlog } from './served.ts';

export type Served = { readonly authorization: string; readonly stop: () => Promise<void> };
type Side = Served & Partial<Pick<SimulatedSide, 'sends'>>;

async function open(command: SendingCommand): Promise<Side> {
  if (command.kind === 'graph') return { ...(await openMeta(command)), authorization: '' };
  if (command.kind === 'serve') return serve(command.outbox, command);
  throw new Error(`a side of sending was told to ${command.kind} before it was started`);
}

async function serve(outbox: OutboxChoice, places: SendingPlaces): Promise<Served> {
  switch (outbox.driver) {
    case 'sentlog':
      return serveSentlog({ SENTLOG_DATA_DIR: outbox.folder }, places);
    case 'sentlog-postgres':
      return serveSentlog({ SENTLOG_STORE: outbox.url }, places);
    case 'plain-sqlite':
      return plain(new PlainSqliteQueue(outbox.folder), places);
    case 'plain-postgres':
      return plain(await PlainPostgresQueue.open(outbox.url), places);
  }
}

async function plain(queue: Queue, places: SendingPlaces): Promise<Served> {
  return { authorization: '', stop: await servePlainQueue(queue, places) };
}

async function answer(side: Side, command: SendingCommand): Promise<SendingReply> {
  if (command.kind === 'memory')
    return { kind: 'memory', residentBytes: process.memoryUsage.rss(), peakBytes: peakBytes() };
  if (command.kind === 'sends' && side.sends !== undefined) return side.sends(command.after);
  if (command.kind !== 'stop') throw new Error(`a side of sending cannot ${command.kind}`);
  await side.stop();
  return { kind: 'stopped' };
}

const reply = (message: SendingReply) => process.send?.(message);
const fail = (error: Error) => reply({ kind: 'failed', reason: error.stack ?? error.message });
process.once('message', (first: SendingCommand) => {
  open(first).then(side => {
    process.on('message', (command: SendingCommand) => {
      answer(side, command).then(reply, fail);
    });
    reply({ kind: 'ready', authorization: side.authorization });
  }, fail);
});
// The bench is gone, in whatever way: nobody is left to stop this.
process.on('disconnect', () => process.exit());
