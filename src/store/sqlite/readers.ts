import type { ReaderReply, ReaderRequest, ThreadData } from './messages.ts';
import { errorOf, Thread } from './thread.ts';

type ReaderThread = Thread<ReaderRequest, ReaderReply>;

/** The reader threads: all know every segment, and the least busy answers. */
export class Readers {
  readonly #threads: readonly ReaderThread[];

  constructor(
    count: number,
    data: ThreadData,
    events: { released(ticket: number): void; crashed(error: Error): void },
  ) {
    this.#threads = Array.from({ length: count }, () => {
      const thread: ReaderThread = new Thread(
        'reader',
        data,
        (reply: ReaderReply) => {
          if (reply.type === 'released') events.released(reply.ticket);
          else if (reply.type === 'answer') thread.answer(reply.id, reply.answer);
          else thread.fail(reply.ids, errorOf(reply.failure));
        },
        events.crashed,
      );
      return thread;
    });
  }

  tell(request: ReaderRequest): void {
    for (const thread of this.#threads) thread.send(request);
  }

  ask(request: (id: number) => ReaderRequest): Promise<unknown> {
    const [reader] = this.#threads.toSorted((a, b) => a.waiting - b.waiting);
    if (reader === undefined) throw new Error('the store has no reader');
    return reader.ask(request);
  }

  async ended(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.ended()));
  }
}
