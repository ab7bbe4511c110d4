import { StoreUnavailable } from '../../store.ts';
import { UnreadableSegment } from '../files/damage.ts';

/** How long the disk is left alone before it is asked again for what it did not give, at least and at most. */
const againMs = { least: 5000, most: 300_000 };
/** All of a segment is read, and of each that is not given: that takes a twentieth of the time at most. */
const restPerLook = 19;
/** What the disk says it cannot give, so many times in a row, is lost for all that can be known. */
const looksMax = 3;

export type Looking = {
  /** What a segment is called to the operator; `undefined` when it is gone. */
  nameOf(segmentId: number): string | undefined;
  /** Reads all of a segment's files. Rejects with `StoreUnavailable` where the disk does not give them. */
  look(segmentId: number): Promise<unknown>;
  note(message: string, detail: { readonly segment: string; readonly reason?: string }): void;
  /** Makes a segment again of what the disk gives of it. Rejects with `StoreUnavailable` where that cannot be done now. */
  makeAgain(segmentId: number, reason: string): Promise<void>;
  /** What is to be seen to in another way. */
  failed(error: unknown): void;
};

/**
 * Segments that the disk did not give when they were read, for a bad sector or a network that is away: whoever asks for what
 * is in them is told to come again, and the operator why, until all of them can be read. Of a bad sector, which may stay so
 * for ever, that is a quarter of a minute or so: then a segment is made again without what stands there, as damaged ones are.
 */
export class Unreadable {
  readonly #looking: Looking;
  readonly #reasons = new Map<number, { readonly reason: string; readonly looks: number }>();
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(looking: Looking) {
    this.#looking = looking;
  }

  found(segmentId: number, reason: string): void {
    const segment = this.#looking.nameOf(segmentId);
    if (this.#isEnded || segment === undefined) return;
    if (!this.#reasons.has(segmentId))
      this.#looking.note('a segment cannot be read: what is in it is not served', { segment, reason });
    this.#reasons.set(segmentId, { reason, looks: this.#reasons.get(segmentId)?.looks ?? 0 });
    this.#timer ??= this.#later(0);
  }

  get parts(): readonly { readonly name: string; readonly reason: string }[] {
    return [...this.#reasons].flatMap(([segmentId, { reason: why }]) => {
      const name = this.#looking.nameOf(segmentId);
      return name === undefined ? [] : [{ name, reason: `it cannot be read now: ${why}` }];
    });
  }

  /** Nothing is looked at any more. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
  }

  #later(lookMs: number): NodeJS.Timeout {
    const pauseMs = Math.min(againMs.most, Math.max(againMs.least, lookMs * restPerLook));
    return setTimeout(() => void this.#lookAgain(), pauseMs).unref();
  }

  async #lookAgain(): Promise<void> {
    const begunMs = performance.now();
    for (const [segmentId, { looks }] of [...this.#reasons])
      try {
        await this.#lookAt(segmentId, looks);
      } catch (error) {
        this.#reasons.delete(segmentId);
        this.#looking.failed(error);
      }
    this.#timer = undefined;
    if (this.#reasons.size > 0 && !this.#isEnded) this.#timer = this.#later(performance.now() - begunMs);
  }

  async #lookAt(segmentId: number, looks: number): Promise<void> {
    try {
      if (this.#looking.nameOf(segmentId) !== undefined) await this.#looking.look(segmentId);
      this.#canBeRead(segmentId);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      const isUnread = error instanceof UnreadableSegment && error.isUnread;
      this.#reasons.set(segmentId, { reason: error.message, looks: isUnread ? looks + 1 : 0 });
      if (isUnread && looks + 1 >= looksMax) await this.#makeAgain(segmentId, error.message);
    }
  }

  async #makeAgain(segmentId: number, reason: string): Promise<void> {
    try {
      await this.#looking.makeAgain(segmentId, reason);
      this.#reasons.delete(segmentId);
    } catch (error) {
      // The next look tries again.
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }

  #canBeRead(segmentId: number): void {
    this.#reasons.delete(segmentId);
    const segment = this.#looking.nameOf(segmentId);
    if (segment !== undefined) this.#looking.note('a segment can be read again', { segment });
  }
}
