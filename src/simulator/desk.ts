import { BadValue, durationMs } from '../setting-kinds.ts';
import { behaviours } from './destinations.ts';
import type { Fields } from './form.ts';
import type { SimulatedMeta } from './meta.ts';
import { isFields } from './refusals.ts';

/** What a simulated Meta is told beside its work; the same calls in the emulator and in `sentlog graph`. */
export type DeskAnswer = { readonly status: number; readonly body: object };

const advanceMsMax = 366 * 86_400_000;

/** Steers a simulated Meta: for tests that cannot wait, or need it to fail. */
export class ControlDesk {
  readonly #meta: SimulatedMeta;
  readonly #revoke: (token: string) => void;

  constructor(meta: SimulatedMeta, revoke: (token: string) => void) {
    this.#meta = meta;
    this.#revoke = revoke;
  }

  /** `undefined` for an action that is not known. */
  handle(method: string, action: string, body: unknown): DeskAnswer | undefined {
    if (method === 'GET' && action === 'sent') return this.#sent();
    if (method === 'GET' && action === 'clock') return this.#time();
    if (method === 'GET' && action === 'destinations')
      return { status: 200, body: { destinations: behaviours.map(({ name, outcome }) => ({ name, outcome })) } };
    if (method !== 'POST') return undefined;
    const fields = isFields(body) ? body : {};
    switch (action) {
      case 'clock':
        return this.#advance(fields);
      case 'receipts':
        return this.#receive(fields);
      case 'faults':
        return this.#fault(fields);
      default:
        return undefined;
    }
  }

  #sent(): DeskAnswer {
    return { status: 200, body: { sent: this.#meta.sent(), forgotten: this.#meta.forgotten } };
  }

  #time(): DeskAnswer {
    return { status: 200, body: { now: new Date(this.#meta.clock.now()).toISOString() } };
  }

  #advance({ advance }: Fields): DeskAnswer {
    const ms = advanceMs(advance);
    if (ms === undefined) return wrong('advance', 'must be a duration such as 500ms, 90s, 15m, 48h or 30d');
    this.#meta.clock.advance(ms);
    return this.#time();
  }

  #receive({ messageId, kind = 'delivered' }: Fields): DeskAnswer {
    if (typeof messageId !== 'string') return wrong('messageId', 'must be the id of a message that was sent');
    if (kind !== 'delivered' && kind !== 'seen') return wrong('kind', 'must be delivered or seen');
    if (!this.#meta.receive(messageId, kind))
      return { status: 404, body: { property: 'messageId', violation: 'is of no message that was sent' } };
    return { status: 200, body: { messageId, kind } };
  }

  #fault({ down, revokedToken }: Fields): DeskAnswer {
    if (down !== undefined && typeof down !== 'boolean') return wrong('down', 'must be true or false');
    if (revokedToken !== undefined && typeof revokedToken !== 'string') return wrong('revokedToken', 'must be a token');
    if (down !== undefined) this.#meta.isDown = down;
    if (revokedToken !== undefined) this.#revoke(revokedToken);
    return { status: 200, body: { down: this.#meta.isDown } };
  }
}

function advanceMs(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    const ms = durationMs(value);
    return ms <= advanceMsMax ? ms : undefined;
  } catch (error) {
    if (error instanceof BadValue) return undefined;
    throw error;
  }
}

function wrong(property: string, violation: string): DeskAnswer {
  return { status: 400, body: { property, violation } };
}
