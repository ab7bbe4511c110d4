import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Outgoing } from '../../src/domain/outgoing.ts';
import type { Outbox } from '../../src/outbox/outbox.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/engine.ts';
import type { Carrier, Pages } from '../../src/sender/carrier.ts';
import { Emulator } from '../../src/sender/emulator.ts';
import type { ExpiryClock } from '../../src/sender/expiry-clock.ts';
import type { AccountPlaces } from '../../src/sender/pusher.ts';
import type { CallReports } from '../../src/sender/report-caller.ts';
import { Sender, type SenderDeps } from '../../src/sender/sender.ts';
import { anyPage } from '../../src/sender/simulated-carrier.ts';
import { defaultTerms, type SimulatorTerms } from '../../src/simulator/terms.ts';
import type { Store } from '../../src/store/store.ts';
import { parseSendRequest } from '../../src/wire/send/send-request.ts';
import { MemoryStore } from '../support/memory-store.ts';

export const account = 1;
const retentionMsPreset = 30 * 86_400_000;

/** A sender whose messages go to a Meta that is played; its clock is the only one. */
export class Played {
  readonly store: Store;
  readonly emulator: Emulator;
  readonly outbox: Outbox;
  readonly notes: string[] = [];
  readonly #senderOf: () => Sender;
  #sender: Sender;

  private constructor(
    outbox: Outbox,
    terms: SimulatorTerms,
    { carrier, pages, store, places, call, clock, expiry, retentionMs = retentionMsPreset }: PlayedParts,
  ) {
    const note = (_level: string, message: string) => this.notes.push(message);
    this.store = store ?? new MemoryStore();
    this.emulator = new Emulator(terms, note.bind(undefined, 'warn'));
    this.outbox = outbox;
    const deps: SenderDeps = {
      outbox,
      store: this.store,
      carrier: carrier?.(this.emulator) ?? this.emulator.carrier,
      pages: pages ?? anyPage,
      clock: () => this.emulator.clock.now() + (clock?.aheadMs ?? 0),
      ...(expiry && { expiry }),
      retentionMs,
      places: places ?? noPlaces,
      call: call ?? (async () => 'nobody is called in these tests'),
      retentionOf: () => retentionMs,
      note,
    };
    this.#senderOf = () => new Sender(deps);
    this.#sender = this.#senderOf();
    this.emulator.join(this.sender);
  }

  get sender(): Sender {
    return this.#sender;
  }

  /** Closes the sender, and starts another on its outbox. */
  async restart(meanwhile: () => void): Promise<void> {
    await this.sender.close();
    meanwhile();
    this.#sender = this.#senderOf();
    this.emulator.join(this.sender);
    await this.sender.start();
  }

  static async open(terms: Partial<SimulatorTerms> = {}, parts: PlayedParts = {}): Promise<Played> {
    const folder = mkdtempSync(join(tmpdir(), 'sentlog-sender-'));
    const outbox = await openSqliteOutbox(join(folder, 'outbox.db'));
    const played = new Played(outbox, { ...defaultTerms, ...terms }, parts);
    onTestFinished(async () => {
      await played.sender.close();
      played.emulator.close();
      await outbox.close();
      await played.store.close();
      rmSync(folder, { recursive: true, force: true });
    });
    await played.sender.start();
    return played;
  }

  /** What a request with these messages asks for, accepted. */
  async send(...messages: readonly object[]) {
    const { value, violations } = parseSendRequest({ messages }, this.emulator.clock.now());
    if (value === undefined) throw new Error(JSON.stringify(violations));
    return this.accept(value.messages);
  }

  accept(messages: readonly Outgoing[]) {
    return this.sender.accept(account, messages);
  }

  /** Puts the clock forward, step by step so that what follows from one thing has happened before the next. */
  async pass(durationMs: number, steps = 1): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const advance = `${Math.ceil(durationMs / steps)}ms`;
      const answer = await this.emulator.handle('POST', 'clock', { advance }, account);
      if (answer?.status !== 200) throw new Error(`the clock stands: ${JSON.stringify(answer)}`);
    }
  }

  async history(messageId: string) {
    const found = await this.store.history(account, messageId, 0);
    if (found === undefined) throw new Error(`the log has no ${messageId}`);
    return found;
  }

  async outcome(messageId: string): Promise<string> {
    const { log } = await this.history(messageId);
    return `${log.status.name} ${log.error.name}${log.seenAt === undefined ? '' : ' seen'}`;
  }
}

export type PlayedParts = {
  readonly carrier?: (emulator: Emulator) => Carrier;
  readonly pages?: Pages;
  readonly store?: Store;
  readonly retentionMs?: number;
  /** What the sender's clock is ahead of the one that is played. */
  readonly clock?: { readonly aheadMs: number };
  readonly expiry?: Pick<ExpiryClock, 'isBelieved'>;
  readonly places?: AccountPlaces;
  readonly call?: CallReports;
};

const noPlaces: AccountPlaces = { subscribed: async () => [], place: async () => undefined };

export const text = (to: string, messageId: string = to, sender = 'page-1') => ({
  sender,
  destinations: [{ to, messageId }],
  content: { type: 'TEXT', text: 'Hello' },
});
