import type { EpochMs, MessageIdentity, MessageState } from '../../../domain/message.ts';
import { minuteOf } from '../../../domain/summary.ts';
import { cellOf, SummaryCell } from '../../../domain/summary-cell.ts';
import { integer } from '../../../postgres/cells.ts';
import type { Written } from './written.ts';

/** What a transaction adds to the figures of the messages sent in one minute. */
export type Minute = {
  messages: number;
  reports: number;
  oldestSentAt: EpochMs;
  newestSentAt: EpochMs;
  readonly cell: SummaryCell;
};

/** By the beginning of the minute. */
export function minutesOf({ messages, reports, changes }: Written): ReadonlyMap<EpochMs, Minute> {
  const minutes = new Map<EpochMs, Minute>();
  const at = (sentAt: EpochMs): Minute => {
    const beginsAt = minuteOf(sentAt);
    let minute = minutes.get(beginsAt);
    if (minute === undefined) {
      minute = { messages: 0, reports: 0, oldestSentAt: sentAt, newestSentAt: sentAt, cell: new SummaryCell() };
      minutes.set(beginsAt, minute);
    }
    minute.oldestSentAt = Math.min(minute.oldestSentAt, sentAt);
    minute.newestSentAt = Math.max(minute.newestSentAt, sentAt);
    return minute;
  };
  for (const { identity, state } of messages) {
    const minute = at(identity.sentAt);
    minute.messages++;
    minute.cell.count(logOf(identity, state), 1);
  }
  for (const { place } of reports) at(place.sentAt).reports++;
  for (const { identity, before, state } of changes) {
    const { cell } = at(identity.sentAt);
    cell.count(logOf(identity, before), -1);
    cell.count(logOf(identity, state), 1);
  }
  return minutes;
}

const logOf = (identity: MessageIdentity, state: MessageState) => ({ ...identity, ...state });

export function minutesText(minutes: ReadonlyMap<EpochMs, Minute>): string {
  return JSON.stringify(
    Array.from(minutes, ([beginsAt, { messages, reports, oldestSentAt, newestSentAt, cell }]) => [
      beginsAt,
      messages,
      reports,
      oldestSentAt,
      newestSentAt,
      cell,
    ]),
  );
}

/** Reads what `minutesText` wrote. */
export function readMinutes(text: string): readonly (readonly [beginsAt: EpochMs, minute: Minute])[] {
  const minutes: readonly (readonly unknown[])[] = JSON.parse(text);
  return minutes.map(([beginsAt, messages, reports, oldest, newest, cell]) => [
    integer(beginsAt),
    {
      messages: integer(messages),
      reports: integer(reports),
      oldestSentAt: integer(oldest),
      newestSentAt: integer(newest),
      cell: cellOf(cell),
    },
  ]);
}

/** What a minute adds to the count of all messages. */
export type Figure = Pick<Minute, 'messages' | 'reports' | 'oldestSentAt'> & { readonly beginsAt: EpochMs };

/** Reads of what `minutesText` wrote what is counted, whatever else it has; `undefined` when it is none. */
export function figuresIn(text: string): readonly Figure[] | undefined {
  try {
    const minutes: readonly (readonly unknown[])[] = JSON.parse(text);
    return minutes.map(([beginsAt, messages, reports, oldest]) => ({
      beginsAt: integer(beginsAt),
      messages: integer(messages),
      reports: integer(reports),
      oldestSentAt: integer(oldest),
    }));
  } catch {
    return undefined;
  }
}
