import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { type Filter, type Matches, matcher, valueCountOf } from '../../domain/filter.ts';
import type { AccountId, Binding } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { conditionsOf } from '../cursor.ts';

/** Who listens, and to what. */
export type Listening = {
  readonly account: AccountId;
  readonly binding: Binding;
  /** `undefined` when nothing can match. */
  readonly filter: Filter | undefined;
  /** What proved who is listening, to be proven again. */
  readonly authorization: string;
};

/** One connection that follows the log. It is over when it closes, whoever closed it. */
export class Listener extends Readable {
  readonly who: Listening;
  /** `undefined` when nothing can. */
  readonly matches: Matches | undefined;
  /** Equal for those that ask for the same. */
  readonly key: string;
  /** How many values its filter names. */
  readonly values: number;
  readonly #response: ServerResponse;
  #hasRoom: (() => void) | undefined;
  #isFinished = false;

  constructor(who: Listening, response: ServerResponse) {
    super({ highWaterMark: limits.catchUpBytesMax });
    this.who = who;
    this.matches = who.filter && matcher(who.filter);
    this.values = who.filter === undefined ? 0 : valueCountOf(who.filter);
    this.key = who.filter === undefined ? '' : JSON.stringify(conditionsOf(who.filter));
    this.#response = response;
    response.once('close', () => this.destroy());
  }

  /** Nothing more can be sent. */
  get isOver(): boolean {
    return this.#isFinished || this.destroyed;
  }

  /** What was sent and not taken by the connection yet. */
  get unreadBytes(): number {
    return this.readableLength + this.#response.writableLength;
  }

  /** `false` when it should be given no more than it must before `room`. */
  send(text: string | Uint8Array): boolean {
    return this.isOver || this.push(typeof text === 'string' ? Buffer.from(text) : text);
  }

  /** Resolves when there is room for more, or it is over. */
  async room(): Promise<void> {
    while (!this.isOver && this.readableLength >= this.readableHighWaterMark)
      await new Promise<void>(resolve => {
        this.#hasRoom = resolve;
      });
  }

  /** Ends it in good order; one that does not read is cut, since its end would not be read either. */
  finish(): void {
    if (this.isOver) return;
    this.#isFinished = true;
    if (this.unreadBytes > 0) this.destroy();
    else this.push(null);
  }

  /** Ends it for a caller who is shut out: what he has not read is not his any more. */
  shutOut(): void {
    if (!this.isOver && this.unreadBytes > 0) this.#response.socket?.resetAndDestroy();
    this.finish();
  }

  override _read(): void {
    this.#hasRoom?.();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#hasRoom?.();
    done(error);
  }
}
