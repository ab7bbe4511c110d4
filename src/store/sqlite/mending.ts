import type { StoreObserver } from '../store.ts';
import type { Catalog } from './catalog.ts';
import type { Holding } from './ledger.ts';
import type { DamagedPart } from './load.ts';
import type { SealerReply, SealerRequest, WriterReply, WriterRequest } from './messages.ts';
import { hasLosses, lossText } from './shared-segment.ts';
import type { Thread } from './thread.ts';

/** What mending needs of the engine. */
export type Mender = {
  readonly writer: Thread<WriterRequest, WriterReply>;
  readonly sealer: Thread<SealerRequest, SealerReply>;
  /** Has every thread read the files that were made anew. */
  takeUp(segmentId: number, holding: Holding): Promise<void>;
  isClosing(): boolean;
};

/**
 * Sees to segments that some thread found damaged: every row that can still be read is put into new files, and the old
 * ones go to `damaged/`. Where that cannot be done, or did not help, the whole segment is set aside.
 */
export class Mending {
  readonly #catalog: Catalog;
  readonly #mender: Mender;
  readonly #observer: StoreObserver;
  readonly #underway = new Map<number, Promise<void>>();
  readonly #mended = new Set<number>();

  constructor(catalog: Catalog, mender: Mender, observer: StoreObserver) {
    this.#catalog = catalog;
    this.#mender = mender;
    this.#observer = observer;
  }

  /** Whether its files are younger than what may have been found of it without a look at them. */
  isMended(segmentId: number): boolean {
    return this.#mended.has(segmentId);
  }

  /** Resolves when the segment can be read again, without what is lost, or is gone. */
  mend(segmentId: number, reason: string): Promise<void> {
    let work = this.#underway.get(segmentId);
    if (work === undefined) {
      work = this.#mend(segmentId, reason).finally(() => this.#underway.delete(segmentId));
      this.#underway.set(segmentId, work);
    }
    return work;
  }

  async #mend(segmentId: number, reason: string): Promise<void> {
    const entry = this.#catalog.get(segmentId);
    if (entry === undefined) return;
    if (this.#mended.has(segmentId)) return this.#catalog.setAside(segmentId, reason);
    const name = this.#catalog.nameOf(segmentId);
    try {
      const { writer, sealer } = this.#mender;
      if (entry.phase === 'active') await writer.ask(id => ({ type: 'fill', id, segmentId }));
      const holding = (await sealer.ask(id => ({ type: 'mend', id, shared: entry.shared }))) as Holding;
      this.#mended.add(segmentId);
      await this.#mender.takeUp(segmentId, holding);
      this.tell({ name, reason });
      if (hasLosses(entry.shared)) this.#catalog.noteDamaged(name, lossText(entry.shared));
    } catch (error) {
      if (this.#mender.isClosing()) throw error;
      const detail = { segment: name, reason: String(error) };
      this.#observer.note({ level: 'error', message: 'a damaged segment could not be made again', detail });
      await this.#catalog.setAside(segmentId, reason);
    }
  }

  /** That nothing of a segment was taken as it stood. */
  tell({ name, reason }: DamagedPart): void {
    const message = 'a damaged segment was made again of its rows';
    this.#observer.note({ level: 'warn', message, detail: { segment: name, reason } });
  }
}
