import type { EpochMs } from '../../../domain/message.ts';
import type { StoreObserver } from '../../store.ts';
import type { Slice } from '../rows/slices.ts';

/** What is lost of one slice: what was sent in a time, in as many messages at most. */
type Loss = { readonly slice: Slice; readonly from: EpochMs; readonly to: EpochMs; readonly messages: number };

/**
 * Parts of the tables that are not what was written, as this process came upon them: their messages do not show and are told
 * as missing, all others serve on.
 */
export class Damage {
  readonly #observer: Pick<StoreObserver, 'damaged'>;
  /** By partition, then by what the part is called there. */
  readonly #losses = new Map<string, Map<string, Loss>>();

  constructor(observer: Pick<StoreObserver, 'damaged'>) {
    this.#observer = observer;
  }

  /** A partition is told of once. */
  add(partition: string, part: string, loss: Loss): void {
    const known = this.#losses.get(partition);
    const losses = known ?? new Map<string, Loss>();
    this.#losses.set(partition, losses.set(part, loss));
    if (known === undefined) this.#observer.damaged({ name: partition, reason: reasonFor(losses) });
  }

  get parts(): readonly { readonly name: string; readonly reason: string }[] {
    return Array.from(this.#losses, ([name, losses]) => ({ name, reason: reasonFor(losses) }));
  }

  /** Whether anything of some slices is lost that was sent from `from` on and before `to`. */
  concerns(slices: readonly Slice[], { from, to }: { readonly from: EpochMs; readonly to: EpochMs }): boolean {
    return [...this.#losses.values()].some(losses =>
      [...losses.values()].some(loss => slices.includes(loss.slice) && loss.from < to && loss.to >= from),
    );
  }

  /** What was dropped is no loss any more. */
  forgetBefore(sentAt: EpochMs): void {
    for (const [partition, losses] of this.#losses) {
      for (const [key, { to }] of losses) if (to < sentAt) losses.delete(key);
      if (losses.size === 0) this.#losses.delete(partition);
    }
  }
}

function reasonFor(losses: ReadonlyMap<string, Loss>): string {
  const messages = [...losses.values()].reduce((sum, loss) => sum + loss.messages, 0);
  return `checksums of blocks do not match: up to ${messages} messages cannot be read`;
}
