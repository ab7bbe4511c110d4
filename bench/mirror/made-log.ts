import { Random } from '../../scripts/demo/random.ts';
import { type LogQuery, type Row, SimulatedLog } from '../../simulator/log.ts';
import { type SimulatedMessage, simulatedMessage } from '../../simulator/messages.ts';
import type { EpochMs } from '../../src/domain/message.ts';

/** What is there when a mirror begins, and what comes once it has caught up. */
export type MadeTraffic = {
  readonly seed: number;
  /** Messages of the `pastMs` before `startsAt`. */
  readonly past: number;
  readonly pastMs: number;
  readonly startsAt: EpochMs;
  readonly messagesPerS: number;
  /** No more than these come. */
  readonly live: number;
};

/**
 * The log of a simulated Infobip whose messages are made when they are asked for, each from its number alone: five
 * million of them take no memory, and every process makes the same ones.
 */
export class MadeLog extends SimulatedLog {
  /** When the first message after the past is sent; none is before it is set. */
  liveFrom: EpochMs = Number.POSITIVE_INFINITY;
  readonly #traffic: MadeTraffic;
  /** Until when each message is pending; 0 where it was not made yet. */
  readonly #pendingUntil: Float64Array;

  constructor(traffic: MadeTraffic) {
    super();
    this.#traffic = traffic;
    this.#pendingUntil = new Float64Array(traffic.past + traffic.live);
  }

  made(number: number): SimulatedMessage {
    const messageId = `m${number}`;
    return simulatedMessage(
      { messageId, sentAt: this.sentAt(number) },
      new Random(`${this.#traffic.seed} ${messageId}`),
    );
  }

  sentAt(number: number): EpochMs {
    const { past, pastMs, startsAt, messagesPerS } = this.#traffic;
    if (number < past) return startsAt - pastMs + Math.floor((number * pastMs) / past);
    return this.liveFrom + Math.floor(((number - past) * 1000) / messagesPerS);
  }

  /** Messages that were sent by a moment; with their numbers below it. */
  sentBy(at: EpochMs): number {
    const { past, pastMs, startsAt, messagesPerS, live } = this.#traffic;
    if (at >= this.liveFrom) return past + Math.min(live, Math.floor(((at - this.liveFrom + 1) * messagesPerS) / 1000));
    return Math.max(0, Math.min(past, Math.ceil(((at - startsAt + pastMs + 1) * past) / pastMs)));
  }

  protected override row(messageId: string): Row | undefined {
    const number = Number(messageId.slice(1));
    return number < this.#pendingUntil.length ? { message: this.made(number), number } : undefined;
  }

  protected override *candidates(query: LogQuery, now: EpochMs, after: Row | undefined): Generator<Row> {
    if (query.messageIds !== undefined) {
      yield* super.candidates(query, now, after);
      return;
    }
    const until = Math.min(query.sentUntil - 1, now);
    const oldest = Math.max(0, this.sentBy(query.sentSince) - 1);
    for (let number = (after?.number ?? this.sentBy(until)) - 1; number >= oldest; number--) {
      // What is pending is asked for again and again, and is little of all.
      if (query.generalStatus === 'PENDING' && this.#notPending(number, now)) continue;
      const message = this.made(number);
      this.#pendingUntil[number] = pendingUntil(message);
      yield { message, number };
    }
  }

  #notPending(number: number, now: EpochMs): boolean {
    const until = this.#pendingUntil[number] ?? 0;
    return until > 0 && until <= now;
  }
}

function pendingUntil({ states }: SimulatedMessage): EpochMs {
  return states.find(state => state.status.groupName !== 'PENDING')?.from ?? Number.POSITIVE_INFINITY;
}
