import { timingSafeEqual } from 'node:crypto';
import { RowCache } from '../accounts/row-cache.ts';
import { hashSecret } from '../accounts/secrets.ts';
import type { AccountId, EpochMs, Violation } from '../domain/message.ts';
import { Unavailable } from '../failures.ts';
import { limits } from '../limits.ts';
import type { Rejection, Store } from '../store/store.ts';
import type { MirrorFigures } from './figures.ts';
import { Gathering } from './gathering.ts';
import type { Mirrors } from './mirrors.ts';
import type { Mirror, MirrorRows } from './rows.ts';
import type { WebhookReports } from './webhook.ts';
import type { MirrorNote } from './worker.ts';

export type ReceptionOptions = {
  readonly mirrors: Mirrors;
  readonly rows: Pick<MirrorRows, 'unfollow' | 'mirrors'>;
  readonly store: Pick<Store, 'record'>;
  readonly figures: () => readonly MirrorFigures[];
  readonly clock: () => EpochMs;
  readonly retentionOf: (account: AccountId) => number;
  readonly note: (note: MirrorNote) => void;
};

/** What a webhook shows to prove that it comes from the other side. */
export type WebhookProof = {
  /** The last part of its path. */
  readonly path?: string | undefined;
  /** Of Basic credentials, whose user is the mirror's name. */
  readonly basic?: { readonly user: string; readonly password: string } | undefined;
};

/** How soon a report is sent again that could not be kept yet. */
const retryMs = 60_000;
const notesMax = 5;
/** Mirrors that are looked up together with others at most; more are looked up anew. */
const keptMax = 1000;

/** Takes the webhooks of the other sides. */
export class WebhookReception {
  readonly #options: ReceptionOptions;
  readonly #endings: Endings;
  readonly #proofs = new Map<string, Proofs>();
  readonly #gatherings = new Map<number, Gathered>();
  /** By their names, as they are kept. The figures may be older, since they wait for mirrors that end. */
  readonly #kept: RowCache<Mirror>;

  constructor(options: ReceptionOptions) {
    this.#options = options;
    this.#kept = new RowCache(keptMax, async name => (await options.rows.mirrors()).find(one => one.name === name));
    this.#endings = new Endings(options);
  }

  /** Resolves when what is final is no longer followed. */
  close(): Promise<void> {
    return this.#endings.close();
  }

  /** The mirror a webhook is for; `undefined` when there is none of this name, or it is not proven to be its other side's. */
  admit(name: string, { path, basic }: WebhookProof): MirrorFigures | undefined {
    const found = this.#options.figures().find(one => one.mirror.name === name);
    // Compared as long where there is none, so that the time does not tell.
    const { paths, passwords } = this.#proofsOf(found?.mirror.name ?? '');
    // What is shown must be right, also beside another proof that would do.
    const isPathRight = path === undefined || isAmong(path, paths);
    const isBasicRight = basic === undefined || (basic.user === name && isAmong(basic.password, passwords));
    const isProven = (path !== undefined || basic !== undefined) && isPathRight && isBasicRight;
    return isProven ? found : undefined;
  }

  /** Whether a mirror was not removed. Where that cannot be told now, it is there until that is known. */
  async #isThere({ id, name }: Mirror): Promise<boolean> {
    try {
      return (await this.#kept.get(name))?.id === id;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      return true;
    }
  }

  /** Derived once for each mirror: every webhook asks for them. */
  #proofsOf(name: string): Proofs {
    const known = this.#proofs.get(name);
    if (known !== undefined) return known;
    const { paths, passwords } = this.#options.mirrors.webhookSecrets({ name });
    const proofs = { paths: paths.map(hashSecret), passwords: passwords.map(hashSecret) };
    this.#proofs.set(name, proofs);
    return proofs;
  }

  /**
   * Resolves when all that can be kept is durable; with `false` where the mirror was removed since it was proven: nothing is
   * kept from then on. Rejects with `Unavailable` when something should be sent again: the
   * store cannot keep it now, or has no room for reports whose messages are still to be read.
   */
  async take(proven: MirrorFigures, { reports, flaws }: WebhookReports): Promise<boolean> {
    const { mirror } = proven;
    if (!(await this.#isThere(mirror))) return false;
    const gathering = this.#gatheringOf(this.#options.figures().find(one => one.mirror.id === mirror.id) ?? proven);
    let isLeft = false;
    for (const flaw of flaws.slice(0, notesMax)) this.#tell(mirror.name, flaw);
    for (let at = 0; at < reports.length; at += limits.batchRecordsMax) {
      if (at > 0 && !(await this.#isThere(mirror))) return false;
      const rejected = await gathering.add(reports.slice(at, at + limits.batchRecordsMax));
      isLeft = this.#tellRejected(mirror.name, rejected) || isLeft;
    }
    const final = reports.filter(report => report.status?.final === true).map(report => report.messageId);
    if (final.length > 0 && !isLeft) this.#endings.add(mirror.id, final);
    if (isLeft) throw new Unavailable('reports came before their messages were read', retryMs);
    return true;
  }

  /** By what is known of the other side's clock when what was gathered is recorded. */
  #gatheringOf({ mirror, skewMs }: MirrorFigures): Gathering {
    const { store, clock, retentionOf } = this.#options;
    const known = this.#gatherings.get(mirror.id);
    if (known?.account === mirror.account) {
      known.skewMs = skewMs;
      return known.gathering;
    }
    const made: Gathered = {
      account: mirror.account,
      skewMs,
      gathering: new Gathering(submissions => {
        const now = clock();
        return store.record({
          account: mirror.account,
          binding: {},
          receivedAt: now + Math.max(0, made.skewMs),
          sentSince: now - retentionOf(mirror.account),
          submissions,
        });
      }),
    };
    this.#gatherings.set(mirror.id, made);
    return made.gathering;
  }

  /** Whether any report may still be taken another time. */
  #tellRejected(mirror: string, rejected: readonly Rejection[]): boolean {
    const lasting = rejected.filter(({ violations }) => violations.every(isLasting));
    for (const { messageId, violations } of lasting.slice(0, notesMax))
      this.#tell(mirror, `${messageId}: ${violations.map(one => `${one.property} ${one.violation}`).join(', ')}`);
    return rejected.length > lasting.length;
  }

  #tell(mirror: string, reason: string): void {
    this.#options.note({ level: 'warn', message: 'a webhook says what cannot be taken', detail: { mirror, reason } });
  }
}

/** A fault of the report itself, which no other time mends. */
function isLasting({ property }: Violation): boolean {
  return /^(?:status|error|price|doneAt|seenAt|at)\b/.test(property);
}

type Gathered = { readonly account: AccountId; readonly gathering: Gathering; skewMs: number };

/** Hashes of what proves a webhook. */
type Proofs = { readonly paths: readonly Uint8Array[]; readonly passwords: readonly Uint8Array[] };

/** Takes the same time wherever the two differ. */
function isAmong(given: string, good: readonly Uint8Array[]): boolean {
  const hashed = hashSecret(given);
  return good.some(one => timingSafeEqual(hashed, one));
}

const endEveryMs = 200;

/**
 * Ends the following of messages that are final: at once where webhooks are few, together where they are many, since each
 * time is a transaction of its own. No webhook waits for it: a message that is followed for too long, also since the process
 * was killed, is asked for once more.
 */
class Endings {
  readonly #options: Pick<ReceptionOptions, 'rows' | 'note'>;
  readonly #ended = new Map<number, string[]>();
  #nextAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #ending: Promise<void> = Promise.resolve();

  constructor(options: Pick<ReceptionOptions, 'rows' | 'note'>) {
    this.#options = options;
  }

  add(mirror: number, messageIds: readonly string[]): void {
    const before = this.#ended.get(mirror);
    if (before === undefined) this.#ended.set(mirror, [...messageIds]);
    else before.push(...messageIds);
    if (this.#timer !== undefined) return;
    const ms = this.#nextAt - performance.now();
    this.#timer = setTimeout(() => this.#end(), Math.max(0, ms));
  }

  close(): Promise<void> {
    return this.#end();
  }

  #end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#nextAt = performance.now() + endEveryMs;
    const ended = [...this.#ended];
    this.#ended.clear();
    this.#ending = this.#ending.then(async () => {
      for (const [mirror, messageIds] of ended) await this.#unfollow(mirror, messageIds);
    });
    return this.#ending;
  }

  /** Never rejects. */
  async #unfollow(mirror: number, messageIds: readonly string[]): Promise<void> {
    const { rows, note } = this.#options;
    try {
      await rows.unfollow(mirror, messageIds);
    } catch (error) {
      const detail = { reason: error instanceof Error ? error.message : String(error) };
      note({ level: 'warn', message: 'messages that are final are still followed', detail });
    }
  }
}
