import { type StoreObserver, StoreUnavailable } from '../../store.ts';
import type { DamagedPart } from '../log/load.ts';
import { hasLosses, lossText } from '../segment/shared-segment.ts';
import type { Recovered, SealerReply, SealerRequest, WriterReply, WriterRequest } from '../threads/messages.ts';
import type { Thread } from '../threads/thread.ts';
import type { Catalog } from './catalog.ts';

/** A disk may spoil more than one place of a segment, one after the other; what is found damaged again and again is not helped so. */
const recoveriesMax = 5;

/** What recovery needs of the engine. */
export type Recoverer = {
  readonly writer: Thread<WriterRequest, WriterReply>;
  sealer(): Thread<SealerRequest, SealerReply>;
  /** Has every thread read the files that were made anew. */
  takeUp(segmentId: number, recovered: Recovered): Promise<void>;
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
  /** How often files were made anew. */
  readonly #recovered = new Map<number, number>();
  /** Of segments that there was no room to make anew, how many of their rows are passed over. */
  readonly #passedOver = new Map<number, number>();

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
   * whole folder is; with `mayWait`, also where the disk does not let it be made again: then it stays as it is.
   */
  recover(segmentId: number, reason: string, mayWait = false): Promise<void> {
    let work = this.#underway.get(segmentId);
    if (work === undefined) {
      work = this.#recover(segmentId, reason, mayWait).finally(() => this.#underway.delete(segmentId));
      this.#underway.set(segmentId, work);
    }
    return work;
  }

  async #recover(segmentId: number, reason: string, mayWait: boolean): Promise<void> {
    const entry = this.#catalog.get(segmentId);
    if (entry === undefined) return;
    this.#catalog.folder.refuseMoved();
    const before = this.#recovered.get(segmentId) ?? 0;
    if (before >= recoveriesMax) return this.#catalog.setAside(segmentId, reason);
    const name = this.#catalog.folder.nameOf(segmentId);
    const { writer, sealer } = this.#recoverer;
    // Where it cannot be closed now, since its journal was moved say, it is neither made anew nor set aside.
    if (entry.phase === 'active') await writer.ask(id => ({ type: 'fill', id, segmentId }));
    try {
      const recovered = (await sealer().ask(id => ({ type: 'recover', id, shared: entry.shared }))) as Recovered;
      const { unsound } = recovered;
      if (unsound === undefined) this.#recovered.set(segmentId, before + 1);
      else this.#passOver(segmentId, unsound.messages.size + unsound.reports.size, reason);
      await this.#recoverer.takeUp(segmentId, recovered);
      if (unsound === undefined) this.tell({ name, reason });
      else
        this.#note(
          'warn',
          'there is no room to make a damaged segment again: rows of it are passed over',
          name,
          reason,
        );
      if (hasLosses(entry.shared)) this.#catalog.noteDamaged({ name, reason: lossText(entry.shared) });
    } catch (error) {
      if (this.#recoverer.isClosing() || this.#catalog.folder.isRefusal(error)) throw error;
      if (mayWait && error instanceof StoreUnavailable) throw error;
      this.#note('error', 'a damaged segment could not be made again', name, String(error));
      await this.#catalog.setAside(segmentId, reason);
    }
  }

  /** That nothing of a segment was taken as it stood. */
  tell({ name, reason }: DamagedPart): void {
    this.#note('warn', 'a damaged segment was made again of its rows', name, reason);
  }

  #note(level: 'warn' | 'error', message: string, segment: string, reason: string): void {
    this.#observer.note({ level, message, detail: { segment, reason } });
  }

  /** Throws where no more is passed over than before: then something else is damaged. */
  #passOver(segmentId: number, rows: number, reason: string): void {
    if (rows <= (this.#passedOver.get(segmentId) ?? 0)) throw new Error(reason);
    this.#passedOver.set(segmentId, rows);
  }
}
