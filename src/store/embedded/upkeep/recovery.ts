import type { StoreObserver } from '../../store.ts';
import type { Holding } from '../files/ledger.ts';
import type { DamagedPart } from '../log/load.ts';
import { hasLosses, lossText } from '../segment/shared-segment.ts';
import type { SealerReply, SealerRequest, WriterReply, WriterRequest } from '../threads/messages.ts';
import type { Thread } from '../threads/thread.ts';
import type { Catalog } from './catalog.ts';

/** What recovery needs of the engine. */
export type Recoverer = {
  readonly writer: Thread<WriterRequest, WriterReply>;
  sealer(): Thread<SealerRequest, SealerReply>;
  /** Has every thread read the files that were made anew. */
  takeUp(segmentId: number, holding: Holding): Promise<void>;
  isClosing(): boolean;
};

/**
 * Sees to segments that some thread found damaged: every row that can still be read is put into new files, and the old
 * ones go to `damaged/`. Where that cannot be done, or did not help, the whole segment is set aside.
 */
export class Recovery {
  readonly #catalog: Catalog;
  readonly #recoverer: Recoverer;
  readonly #observer: StoreObserver;
  readonly #underway = new Map<number, Promise<void>>();
  readonly #recovered = new Set<number>();

  constructor(catalog: Catalog, recoverer: Recoverer, observer: StoreObserver) {
    this.#catalog = catalog;
    this.#recoverer = recoverer;
    this.#observer = observer;
  }

  /** Whether its files are younger than what may have been found of it without a look at them. */
  isRecovered(segmentId: number): boolean {
    return this.#recovered.has(segmentId);
  }

  /**
   * Resolves when the segment can be read again, without what is lost, or is gone. Rejects with `StoreUnavailable` where the
   * whole folder is.
   */
  recover(segmentId: number, reason: string): Promise<void> {
    let work = this.#underway.get(segmentId);
    if (work === undefined) {
      work = this.#recover(segmentId, reason).finally(() => this.#underway.delete(segmentId));
      this.#underway.set(segmentId, work);
    }
    return work;
  }

  async #recover(segmentId: number, reason: string): Promise<void> {
    const entry = this.#catalog.get(segmentId);
    if (entry === undefined) return;
    this.#catalog.refuseMoved();
    if (this.#recovered.has(segmentId)) return this.#catalog.setAside(segmentId, reason);
    const name = this.#catalog.nameOf(segmentId);
    const { writer, sealer } = this.#recoverer;
    // Where it cannot be closed now, since its journal was moved say, it is neither made anew nor set aside.
    if (entry.phase === 'active') await writer.ask(id => ({ type: 'fill', id, segmentId }));
    try {
      const holding = (await sealer().ask(id => ({ type: 'recover', id, shared: entry.shared }))) as Holding;
      this.#recovered.add(segmentId);
      await this.#recoverer.takeUp(segmentId, holding);
      this.tell({ name, reason });
      if (hasLosses(entry.shared)) this.#catalog.noteDamaged({ name, reason: lossText(entry.shared) });
    } catch (error) {
      if (this.#recoverer.isClosing() || this.#catalog.isRefusal(error)) throw error;
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
