import type { EpochMs } from '../../../domain/message.ts';
import { showsTheSame } from '../../../domain/report.ts';
import { likeness, stateOf, textsOf, type WholeMessage } from '../../whole-message.ts';
import { type Group, Misplaced, write } from '../record/record-group.ts';
import { begin, claim, goneKey, keysOf, lockKeys, type Reading, type Recording } from '../record/record-statements.ts';
import { type Recorders, recordingTransaction } from '../record/recording-transaction.ts';
import { takeOut } from '../record/taking-out.ts';
import type { Place } from '../rows/log-row.ts';
import type { NewMessage, NewReport, StateChange } from '../rows/written.ts';
import type { Sealed } from '../sealed/sealed-block.ts';
import { type Stored, storedAt } from './whole-messages.ts';

/** Messages of one slice, by id, each with the place it gets if it is not there. */
export type CopyGroup = Pick<Group, 'slice' | 'layout' | 'known'> & { readonly wanted: ReadonlyMap<string, Stored> };

export type Copied = {
  /** Messages that were not there. */
  readonly copied: number;
  /** Messages that were there and lacked reports. */
  readonly completed: number;
};

/**
 * Adds what is missing of a group, in one transaction: messages with all their reports, and the last reports of
 * messages that are there. What is there with other content is left alone and counts as there. Messages before
 * `sentSince` are past retention here as anywhere: their ids are free. Throws `Misplaced`.
 */
export function copyGroup(recorders: Recorders, group: CopyGroup, sentSince: EpochMs): Promise<Copied> {
  const sentAts = Array.from(group.wanted.values(), ({ place }) => place.sentAt);
  return recordingTransaction(recorders, { slice: group.slice, sentAts }, async session => {
    const recording = await begin(session, group.slice, recorders.database.damage);
    if (recording.layout !== group.layout) throw new Misplaced();
    return copyOf(recording, group, sentSince);
  });
}

async function copyOf(recording: Recording, { wanted, known }: CopyGroup, sentSince: EpochMs): Promise<Copied> {
  const { keys, stored: there } = await storedWithKeys(recording, [...wanted.keys()], sentSince);
  const lacking = new Map([...wanted].filter(([id]) => !there.has(id)));
  if (known && lacking.size > 0) throw new Misplaced();
  const replaced = [...lacking.keys()]
    .flatMap(id => keys.get(id) ?? [])
    .filter(key => key.generation === recording.generation);
  const claimed = await claim(recording, new Map([...lacking].map(([id, { place }]) => [id, place])), replaced);
  // What could not be claimed was recorded by somebody else a moment ago.
  const others = await storedOf(
    recording,
    [...lacking.keys()].filter(id => !claimed.has(id)),
    sentSince,
  );
  const added = [...lacking].filter(([id]) => claimed.has(id)).map(([, one]) => one);
  const folded = new Map([...keys].filter(([, { isFolded }]) => isFolded).map(([id, { place }]) => [id, place]));
  const completions = await lackingReports(
    recording,
    { wanted, there: new Map([...there, ...others]), folded },
    sentSince,
  );
  const messages = added.map(newMessage);
  const reports = [
    ...added.map(one => newReports(one.message, one.place, 0)),
    ...completions.map(one => one.reports),
  ].flat();
  takeOut(
    recording,
    completions.flatMap(({ sealed }) => sealed ?? []),
  );
  write(recording, {
    messages,
    reports,
    changes: completions.map(one => one.change),
    steps: [
      ...messages.map(({ place }) => ({ place, version: 0 })),
      ...reports.filter(one => !showsTheSame(one.before, one.after)),
    ],
  });
  return { copied: added.length, completed: completions.length };
}

/** What is there of these ids and not past retention. */
export async function storedOf(
  reading: Reading,
  messageIds: readonly string[],
  sentSince: EpochMs,
): Promise<ReadonlyMap<string, Stored>> {
  return (await storedWithKeys(reading, messageIds, sentSince)).stored;
}

async function storedWithKeys(reading: Reading, messageIds: readonly string[], sentSince: EpochMs) {
  const gone = new Set<string>();
  for (;;) {
    const keys = await keysOf(reading, messageIds, gone);
    const kept = [...keys].filter(([, { place }]) => place.sentAt >= sentSince);
    const stored = await storedAt(
      reading,
      kept.map(([, { place }]) => place),
    );
    const lost = kept.filter(([id, { isFolded }]) => isFolded && !stored.has(id));
    if (lost.length === 0) return { keys, stored };
    for (const one of lost) gone.add(goneKey(...one));
  }
}

type Completion = {
  readonly reports: readonly NewReport[];
  readonly change: StateChange;
  readonly sealed: Sealed | undefined;
};

/** The reports that messages lack which are there. `folded`: where messages are whose keys are. */
async function lackingReports(
  recording: Recording,
  {
    wanted,
    there,
    folded,
  }: Record<'wanted' | 'there', ReadonlyMap<string, Stored>> & {
    readonly folded: ReadonlyMap<string, Place>;
  },
  sentSince: EpochMs,
): Promise<readonly Completion[]> {
  const isBehind = ([id, { message }]: readonly [string, Stored]) => {
    const original = wanted.get(id)?.message;
    return original !== undefined && likeness(textsOf(message), textsOf(original)) === 'behind';
  };
  const ids = [...there].filter(isBehind).map(([id]) => id);
  if (ids.length === 0) return [];
  // Read anew under locks, so that no other report comes between.
  const asked = new Set(ids);
  await claim(recording, new Map([...folded].filter(([id]) => asked.has(id))), []);
  await lockKeys(recording, ids);
  const locked = [...(await storedOf(recording, ids, sentSince))].filter(isBehind);
  return locked.flatMap(([id, { place, message, sealed }]) => {
    const original = wanted.get(id)?.message;
    if (original === undefined) return [];
    const reports = newReports(original, place, message.reports.length);
    const { identity } = message;
    return [{ reports, change: { place, identity, before: stateOf(message), state: stateOf(original) }, sealed }];
  });
}

function newMessage({ place, message }: Stored): NewMessage {
  return { place, identity: message.identity, state: stateOf(message), receivedAt: message.receivedAt };
}

/** The reports of a message, but for the first `there` of them. */
function newReports({ initial, reports }: WholeMessage, place: Place, there: number): readonly NewReport[] {
  return reports
    .map(({ said, receivedAt, after }, i): NewReport => {
      const before = reports[i - 1]?.after ?? initial;
      return { place, version: i + 1, receivedAt, said, before, after };
    })
    .slice(there);
}
