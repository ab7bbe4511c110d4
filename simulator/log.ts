import type { EpochMs } from '../src/domain/message.ts';
import { type SimulatedMessage, stateAt } from './messages.ts';

export const windowMs = 48 * 3_600_000;

/** What is asked of the simulated log; all of it must hold. */
export type LogQuery = {
  readonly equals: Readonly<Record<string, string>>;
  readonly messageIds?: ReadonlySet<string>;
  readonly oneOf: Readonly<Record<string, ReadonlySet<string>>>;
  readonly generalStatus?: string;
  readonly sentSince: EpochMs;
  readonly sentUntil: EpochMs;
};

/** `number` orders the messages of one moment. */
export type Row = { readonly message: SimulatedMessage; readonly number: number };

/** The list of what is true at the simulated Infobip: newest first, of equal moments the one added later first. */
export class SimulatedLog {
  /** In the order of `sentAt`, oldest first. */
  readonly #rows: Row[] = [];
  readonly #byId = new Map<string, Row>();

  get size(): number {
    return this.#rows.length;
  }

  add(message: SimulatedMessage): void {
    const row = { message, number: this.#rows.length };
    this.#byId.set(message.messageId, row);
    const last = this.#rows.at(-1);
    if (last === undefined || last.message.sentAt <= message.sentAt) this.#rows.push(row);
    else this.#rows.splice(this.#firstAfter(message.sentAt), 0, row);
  }

  /** Every message, oldest first. */
  messages(): readonly SimulatedMessage[] {
    return this.#rows.map(row => row.message);
  }

  message(messageId: string): SimulatedMessage | undefined {
    return this.row(messageId)?.message;
  }

  /** Those that the log shows at a moment and that match, newest first, after so many of them, or after one of them. */
  page(
    query: LogQuery,
    now: EpochMs,
    limit: number,
    from: { skip?: number; after?: string },
  ): readonly SimulatedMessage[] {
    const found: SimulatedMessage[] = [];
    let skipped = 0;
    const after = from.after === undefined ? undefined : this.row(from.after);
    const horizon = Math.max(query.sentSince, now - windowMs);
    for (const row of this.candidates(query, now, after)) {
      const { message } = row;
      if (message.sentAt < horizon) {
        if (query.messageIds !== undefined) continue;
        break;
      }
      if (after !== undefined && !liesBehind(row, after)) continue;
      if (message.appearsAt > now || message.sentAt >= query.sentUntil || !matches(message, query, now)) continue;
      if (skipped++ < (from.skip ?? 0)) continue;
      found.push(message);
      if (found.length === limit) break;
    }
    return found;
  }

  protected row(messageId: string): Row | undefined {
    return this.#byId.get(messageId);
  }

  /** All that may match, newest first. */
  protected *candidates({ messageIds, sentUntil }: LogQuery, _now: EpochMs, after: Row | undefined): Generator<Row> {
    if (messageIds !== undefined) {
      const rows = [...messageIds].flatMap(id => this.row(id) ?? []);
      yield* rows.sort((a, b) => b.message.sentAt - a.message.sentAt || b.number - a.number);
      return;
    }
    const until = after === undefined ? sentUntil : Math.min(sentUntil, after.message.sentAt + 1);
    const first = until === Number.POSITIVE_INFINITY ? this.#rows.length : this.#firstAfter(until - 1);
    for (let i = first - 1; i >= 0; i--) {
      const row = this.#rows[i];
      if (row !== undefined) yield row;
    }
  }

  /** The place of the first row that was sent after a moment. */
  #firstAfter(at: EpochMs): number {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#rows[middle]?.message.sentAt ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function liesBehind(row: Row, after: Row): boolean {
  const { sentAt } = row.message;
  return sentAt < after.message.sentAt || (sentAt === after.message.sentAt && row.number < after.number);
}

function matches(message: SimulatedMessage, query: LogQuery, now: EpochMs): boolean {
  const value = (name: string) => fieldOf(message, name);
  return (
    (query.generalStatus === undefined || stateAt(message, now).status.groupName === query.generalStatus) &&
    Object.entries(query.equals).every(([name, asked]) => value(name) === asked) &&
    Object.entries(query.oneOf).every(([name, asked]) => asked.has(String(value(name))))
  );
}

function fieldOf({ fields }: SimulatedMessage, name: string): unknown {
  if (name !== 'entityId' && name !== 'applicationId') return fields[name];
  const { platform } = fields;
  return typeof platform === 'object' && platform !== null ? Reflect.get(platform, name) : undefined;
}
