import type { AccountId } from '../../../domain/message.ts';
import type { LogEnd } from '../segment/position.ts';
import type { AccountEnd, ReaderReply, ReaderRequest, ThreadData, UnusedFile } from '../threads/messages.ts';
import { errorOf, Thread } from '../threads/thread.ts';

type ReaderThread = Thread<ReaderRequest, ReaderReply>;

/** The reader threads: all know every segment, and the least busy answers. Each has its accounts take turns. */
export class Readers {
  readonly #threads: readonly ReaderThread[];
  /** Behind what accounts recorded last, as far as no reader was told: told with the next question. */
  readonly #ends = new Map<AccountId, Partial<LogEnd> | undefined>();

  constructor(
    count: number,
    data: ThreadData,
    events: { released(ticket: number): void; unused(file: UnusedFile): void; crashed(error: Error): void },
  ) {
    this.#threads = Array.from({ length: count }, () => {
      const thread: ReaderThread = new Thread(
        'reader',
        data,
        (reply: ReaderReply) => {
          if (reply.type === 'released') events.released(reply.ticket);
          else if (reply.type === 'unused') events.unused(reply);
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

  /** These accounts recorded: whoever asks from now on is answered up to here. */
  recorded(ends: readonly AccountEnd[]): void {
    for (const [account, end] of ends) {
      const isUnsure = end === undefined || (this.#ends.has(account) && this.#ends.get(account) === undefined);
      this.#ends.set(account, isUnsure ? undefined : { ...this.#ends.get(account), ...end });
    }
  }

  /** Rejects with the signal's reason when the question is given up; nobody works on it then. */
  async ask(request: (id: number) => ReaderRequest, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted();
    if (this.#ends.size > 0) this.tell({ type: 'ends', ends: [...this.#ends] });
    this.#ends.clear();
    const [reader] = this.#threads.toSorted((a, b) => a.waiting - b.waiting);
    if (reader === undefined) throw new Error('the store has no reader');
    if (signal === undefined) return reader.ask(request);
    let asked = 0;
    const answer = reader.ask(id => {
      asked = id;
      return request(id);
    });
    const giveUp = () => {
      reader.send({ type: 'cancel', id: asked });
      reader.fail([asked], signal.reason);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    return answer.finally(() => signal.removeEventListener('abort', giveUp));
  }

  async ended(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.ended()));
  }
}
