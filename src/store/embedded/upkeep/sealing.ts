import { type StoreObserver, StoreUnavailable } from '../../store.ts';
import type {
  FoundLog,
  Recovered,
  SealerReply,
  SealerRequest,
  ThreadData,
  WriterReply,
  WriterRequest,
} from '../threads/messages.ts';
import { errorOf, Thread } from '../threads/thread.ts';
import type { Catalog } from './catalog.ts';
import { Recovery } from './recovery.ts';
import { Verifying } from './verifying.ts';

/** Full segments waiting for their index. Each holds its columns in memory, so recording waits beyond it. */
const unsealedMax = 6;
export const sealRetryMs = 5000;
const indexRebuilt = 'the index of a segment is made again';

/** What the care for segments needs of the engine. */
export type SealingNeeds = {
  readonly observer: StoreObserver;
  readonly writer: Thread<WriterRequest, WriterReply>;
  /** Nothing can be recorded, and why. */
  failing(reason: string): void;
  /** What is sealed cannot be read now, and why. */
  unreadable(segmentId: number, reason: string): void;
  /** A segment more or less waits for its index. */
  moved(): void;
  isClosing(): boolean;
  crashed(error: Error): void;
};

/** Gives full segments their index, verifies those that have one, and has damaged ones made again. */
export class Sealing {
  readonly #catalog: Catalog;
  readonly #needs: SealingNeeds;
  readonly #data: ThreadData;
  #sealer: Thread<SealerRequest, SealerReply> | undefined;
  readonly #verifying: Verifying;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly recovery: Recovery;

  constructor(catalog: Catalog, data: ThreadData, needs: SealingNeeds) {
    this.#catalog = catalog;
    this.#needs = needs;
    this.#data = data;
    this.#verifying = new Verifying(segmentId => {
      const entry = catalog.get(segmentId);
      if (entry !== undefined) this.#tell({ type: 'verify', segmentId, places: entry.columns?.places });
      return entry !== undefined;
    });
    const { writer, isClosing, observer } = needs;
    const sealer = () => this.#started();
    const recoverer = { writer, sealer, takeUp: this.#sealed.bind(this), isClosing };
    this.recovery = new Recovery(catalog, recoverer, observer);
  }

  /** Whether more segments wait for their index than may. */
  get isBehind(): boolean {
    return this.#catalog.unsealed > unsealedMax;
  }

  seal(segmentId: number): void {
    const { shared, columns, filled } = this.#catalog.get(segmentId) ?? {};
    if (shared === undefined || columns === undefined || filled === undefined) return;
    this.#tell({ type: 'seal', shared, columns, ...filled });
  }

  /** Writes down what is kept in memory of a segment that takes rows. */
  checkpoint({ segmentId, counts, meanings, reach }: Extract<WriterReply, { type: 'grown' }>): void {
    const { shared, columns } = this.#catalog.get(segmentId) ?? {};
    if (shared === undefined || columns === undefined) return;
    this.#tell({ type: 'checkpoint', shared, columns, counts, meanings, reach });
  }

  /**
   * When the log is opened: sets of the ids of what has an index are made, then what was not read is compared with its
   * checksums, the last first.
   */
  take(segments: FoundLog['segments']): void {
    const sealed = segments.filter(({ columns }) => columns === undefined).map(({ shared }) => shared.id);
    if (sealed.length > 0) this.#tell({ type: 'gather', segmentIds: sealed });
    for (const { shared } of segments.filter(({ isUnverified }) => isUnverified)) this.#verifying.add(shared.id);
    this.#verifying.next();
  }

  dropped(segmentIds: readonly number[]): void {
    this.#sealer?.send({ type: 'dropped', segmentIds });
  }

  /** That the index of a segment is not what was written. */
  tellRebuilt(segmentId: number, reason: string): void {
    this.#warn(indexRebuilt, segmentId, reason);
  }

  /** Sees to what nobody waits for. */
  background(work: Promise<void>): void {
    work.catch((error: unknown) =>
      this.#needs.observer.note({
        level: 'error',
        message: 'work on a segment failed',
        detail: { error: String(error) },
      }),
    );
  }

  /** Tries no more to seal what could not be sealed. */
  stopRetries(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** Ends the thread; `ended` resolves when it has. */
  close(): void {
    this.#sealer?.send({ type: 'close' });
  }

  async ended(): Promise<void> {
    await this.#sealer?.ended();
  }

  #tell(request: SealerRequest): void {
    // A log that is closed seals what is full when it is opened again.
    if (this.#sealer !== undefined || !this.#needs.isClosing()) this.#started().send(request);
  }

  /** Its thread starts with the first work: a log of few messages never needs one. */
  #started(): Thread<SealerRequest, SealerReply> {
    if (this.#sealer === undefined && this.#needs.isClosing()) throw new StoreUnavailable('the store is closed');
    this.#sealer ??= new Thread('sealer', this.#data, reply => this.#fromSealer(reply), this.#needs.crashed);
    return this.#sealer;
  }

  #fromSealer(reply: SealerReply): void {
    switch (reply.type) {
      case 'sealed':
        return this.background(this.#sealed(reply.segmentId));
      case 'ids':
        return this.background(this.#catalog.takeIds(reply).then(() => this.#tell({ type: 'idsTaken' })));
      case 'indexDamaged':
        return this.#rebuild(reply.segmentId, reply.reason);
      case 'verified':
        if (reply.indexDamage !== undefined) this.#rebuild(reply.segmentId, reply.indexDamage);
        return this.#verifying.next();
      case 'recovered':
        return this.#sealer?.answer(reply.id, reply);
      case 'unrecovered':
        return this.#sealer?.fail([reply.id], errorOf(reply.failure));
      case 'unmade':
        return this.#warn(`the ${reply.what} of a segment could not be made`, reply.segmentId, reply.failure.message);
      case 'resized':
        return this.#catalog.resized(reply.segmentId);
      case 'failed': {
        const { segmentId, failure } = reply;
        if (failure.kind === 'damaged') {
          if (!this.recovery.isRecovered(segmentId))
            this.background(this.recovery.recover(segmentId, failure.message).then(() => this.#needs.moved()));
        } else if (this.#catalog.get(segmentId)?.phase === 'sealed') this.#needs.unreadable(segmentId, failure.message);
        else this.#sealLater(segmentId, failure.message);
        if (this.#verifying.isAt(segmentId)) this.#verifying.next();
      }
    }
  }

  #rebuild(segmentId: number, reason: string): void {
    const entry = this.#catalog.get(segmentId);
    if (entry === undefined) return;
    this.tellRebuilt(segmentId, reason);
    this.#tell({ type: 'rebuild', shared: entry.shared });
  }

  async #sealed(segmentId: number, recovered?: Recovered): Promise<void> {
    const columns = await this.#catalog.sealed(segmentId, recovered);
    this.#tell({ type: 'released', segmentId });
    if (columns !== undefined) this.#needs.writer.send({ type: 'spare', columns });
    this.#needs.moved();
  }

  #sealLater(segmentId: number, reason: string): void {
    if (this.#catalog.get(segmentId)?.phase !== 'full') return;
    this.#needs.observer.note({
      level: 'error',
      message: 'a segment could not be sealed',
      detail: { segment: segmentId, reason },
    });
    if (this.isBehind) this.#needs.failing(reason);
    this.#catalog.setStuck(segmentId, true);
    this.#needs.moved();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#catalog.setStuck(segmentId, false);
      this.seal(segmentId);
    }, sealRetryMs);
    this.#timers.add(timer);
  }

  #warn(message: string, segment: number, reason: string): void {
    this.#needs.observer.note({ level: 'warn', message, detail: { segment, reason } });
  }
}
