import type { AccountId } from '../../../domain/message.ts';
import { bigints, integers, texts } from '../../../postgres/arrays.ts';
import { integer, optional, type Row, text, truth } from '../../../postgres/cells.ts';
import type { Session, Statement, Transaction } from '../../../postgres/session.ts';
import { wordsOf } from '../../words.ts';
import type { Damage } from '../log/damage.ts';
import { foldedKeys } from '../log/folded-keys.ts';
import type { Place } from '../rows/log-row.ts';
import { minutesOf, minutesText } from '../rows/minutes.ts';
import { writeReport } from '../rows/report-text.ts';
import { arrayOf, type Column, RowsInto } from '../rows/rows-into.ts';
import type { NewMessage, NewReport, StateChange, Written } from '../rows/written.ts';
import { citusIsThere, ofAccount } from '../schema/citus.ts';
import { eraNow, transactionOf } from '../server/snapshot.ts';

/** The statements of a recording transaction. Each names one account, so that on Citus each goes to one shard. */

export type Recording = {
  readonly session: Transaction;
  readonly account: AccountId;
  readonly damage: Damage;
  readonly tx: number;
  readonly generation: number;
  /** Rows are on workers of Citus. */
  readonly onCitus: boolean;
  /** The newest layout: of whichever account, since it is asked for by all alike. */
  readonly layout: number;
  readonly keysAreFolded: boolean;
};

/** What a statement that changes nothing needs to know. */
export type Reading = {
  readonly session: Session;
  readonly account: AccountId;
  /** Is told what of sealed messages cannot be read. */
  readonly damage: Damage;
  /** Whether there are folded keys. */
  readonly keysAreFolded: boolean;
};

const beginning: Statement = {
  name: 'beginning',
  text: `SELECT pg_current_xact_id()::text, ${eraNow}, (SELECT max(g.number) FROM generation g),
    (${citusIsThere}), (SELECT max(l.number) FROM layout l WHERE l.begun_at IS NOT NULL),
    EXISTS (SELECT FROM generation g WHERE g.folded_at IS NOT NULL)`,
};

/** Who is recording: the transaction's number, the generation its keys go to, and the layout it must have gone by. */
export async function begin(session: Transaction, account: AccountId, damage: Damage): Promise<Recording> {
  const [row = []] = await session.query(beginning);
  const tx = transactionOf(integer(row[1]), integer(row[0]));
  const layout = optional(row[4], integer) ?? 0;
  const found = { tx, generation: integer(row[2]), onCitus: truth(row[3]), layout, keysAreFolded: truth(row[5]) };
  return { session, account, damage, ...found };
}

/** Where a message of some id is, by one of the generations of keys. */
export type Key = {
  readonly place: Place;
  readonly generation: number;
  /** It cannot be locked as it is. Whether its message is there shows where it is read: another may have the same hash. */
  readonly isFolded: boolean;
};

const keyColumns = 'k.message_id, k.sent_at, k.number, k.generation';

const newestKeys: Statement = {
  name: 'keys',
  text: `SELECT ${keyColumns} FROM message_key k WHERE k.account_id = $1 AND k.message_id = ANY ($2::text[])`,
};

const newestFoldedKeys: Statement = { name: 'folded keys', text: foldedKeys('$1', '$2::text[]') };

const lockedKeys: Statement = {
  name: 'locked keys',
  text: `${newestKeys.text} ORDER BY k.message_id FOR UPDATE`,
};

/** How a key is called that led to no message of its id: that was dropped, or another has the hash of a folded one. */
export const goneKey = (messageId: string, { place }: Pick<Key, 'place'>) => `${place.number} ${messageId}`;

/** The newest key of each of these ids that has any; of folded ones none that is `gone`, by `goneKey`. */
export async function keysOf(
  { session, account, keysAreFolded }: Reading,
  messageIds: readonly string[],
  gone: ReadonlySet<string> = new Set(),
): Promise<ReadonlyMap<string, Key>> {
  if (messageIds.length === 0) return new Map();
  const values = [account, texts(messageIds)];
  const [rows, folded] = await Promise.all([
    session.query(newestKeys, values),
    keysAreFolded ? session.query(newestFoldedKeys, values) : [],
  ]);
  const all = [...rows.map(row => keyIn(row, false)), ...folded.map(row => keyIn(row, true))];
  return newest(all.filter(([id, key]) => !key.isFolded || !gone.has(goneKey(id, key))));
}

/**
 * As `keysOf`, but whoever else wants to report on one of these messages waits until the transaction ends. Locked in
 * the order of the ids, so that two transactions never wait for each other.
 *
 * Keys stand for their messages here because they hardly ever change: PostgreSQL 18 was seen to crash when it found a
 * message changed that it had waited for in a read of several partitions.
 */
export async function lockKeys(
  { session, account }: Recording,
  messageIds: readonly string[],
): Promise<ReadonlyMap<string, Key>> {
  if (messageIds.length === 0) return new Map();
  const rows = await session.query(lockedKeys, [account, texts(messageIds)]);
  return newest(rows.map(row => keyIn(row, false)));
}

function keyIn(row: Row, isFolded: boolean): readonly [messageId: string, key: Key] {
  const place = { sentAt: integer(row[1]), number: integer(row[2]) };
  return [text(row[0]), { place, generation: integer(row[3]), isFolded }];
}

/**
 * An id recorded anew after its message went past retention may have two keys: the later one is meant. Of a place that folded
 * keys have too, the first one.
 */
function newest(keys: readonly (readonly [messageId: string, key: Key])[]): ReadonlyMap<string, Key> {
  const found = new Map<string, Key>();
  for (const [messageId, key] of keys)
    if ((found.get(messageId)?.place.number ?? 0) < key.place.number) found.set(messageId, key);
  return found;
}

const newKeys: Statement = {
  name: 'new keys',
  text: `
    INSERT INTO message_key (account_id, generation, message_id, sent_at, number)
    SELECT s.account_id, $2, u.message_id, u.sent_at, u.number
    FROM ${ofAccount} unnest($3::text[], $4::bigint[], $5::bigint[]) u (message_id, sent_at, number)
    WHERE s.account_id = $1
    ON CONFLICT (account_id, message_id, generation) DO NOTHING
    RETURNING message_id`,
};

const replacedKeys: Statement = {
  name: 'replaced keys',
  text: newKeys.text.replace(
    'DO NOTHING',
    `DO UPDATE SET sent_at = excluded.sent_at, number = excluded.number
      WHERE message_key.number = ANY ($6::bigint[])`,
  ),
};

/** Where new messages are to stand, in the order in which every transaction claims their ids. */
function inOrder(wanted: ReadonlyMap<string, Place>): readonly (readonly [messageId: string, place: Place])[] {
  return [...wanted].sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
}

const keyRows = new RowsInto<readonly [messageId: string, place: Place]>(
  'message_key',
  [
    { name: 'account_id', type: 'bigint' },
    { name: 'generation', type: 'integer' },
  ],
  [
    { name: 'message_id', type: 'text', of: ([messageId]) => messageId },
    { name: 'sent_at', type: 'bigint', of: ([, { sentAt }]) => sentAt },
    { name: 'number', type: 'bigint', of: ([, { number }]) => number },
  ],
);

/**
 * As `claim`, for ids that seem to be free. If one is not, the transaction fails as `isTaken` tells.
 */
export function claimFree(recording: Recording, wanted: ReadonlyMap<string, Place>): void {
  keyRows.add(recording, [recording.account, recording.generation], inOrder(wanted));
}

/**
 * Claims ids for new messages, and gives those that were free. Waits for other transactions that claim one of them, in
 * the order of the ids as they do. `replaced` are keys of this generation that stand for no message any more.
 */
export async function claim(
  { session, account, generation }: Recording,
  wanted: ReadonlyMap<string, Place>,
  replaced: readonly Key[],
): Promise<ReadonlySet<string>> {
  if (wanted.size === 0) return new Set();
  const asked = inOrder(wanted);
  const values = [
    account,
    generation,
    texts(asked.map(([messageId]) => messageId)),
    bigints(asked.map(([, { sentAt }]) => sentAt)),
    bigints(asked.map(([, { number }]) => number)),
  ];
  const rows =
    replaced.length === 0
      ? await session.query(newKeys, values)
      : await session.query(replacedKeys, [...values, bigints(replaced.map(key => key.place.number))]);
  return new Set(rows.map(row => text(row[0])));
}

const releasedKeys: Statement = {
  name: 'released keys',
  text: `DELETE FROM message_key k
    WHERE k.account_id = $1 AND k.generation = $2 AND k.message_id = ANY ($3::text[]) AND k.number = ANY ($4::bigint[])`,
};

/**
 * Gives back ids that were claimed and not used. Until the transaction ends nobody else can claim them: a report waits
 * for a message that no other transaction records meanwhile.
 */
export function release({ session, account, generation }: Recording, claimed: ReadonlyMap<string, Place>): void {
  if (claimed.size === 0) return;
  const numbers = Array.from(claimed.values(), ({ number }) => number);
  session.send(releasedKeys, [account, generation, texts([...claimed.keys()]), bigints(numbers)]);
}

/** Columns of the messages `m` at some places; the values are those of `placeValues`, after the account. */
export const messagesAt = (columns: string) => `
    SELECT m.*
    FROM unnest($2::bigint[], $3::bigint[]) u (sent_at, number)
    CROSS JOIN LATERAL (
      SELECT ${columns} FROM message m
      WHERE m.account_id = $1 AND m.sent_at = u.sent_at AND m.number = u.number AND m.sent_at BETWEEN $4 AND $5
      OFFSET 0
    ) m`;

/** Columns of the reports `r` on the messages at some places: of one message those that `which` says, all in their order unless it is given. */
export const reportsAt = (columns: string, which = 'ORDER BY r.version') => `
    SELECT r.*
    FROM unnest($2::bigint[], $3::bigint[]) u (sent_at, number)
    CROSS JOIN LATERAL (
      SELECT ${columns} FROM report r
      WHERE r.account_id = $1 AND r.sent_at = u.sent_at AND r.number = u.number AND r.sent_at BETWEEN $4 AND $5
      ${which} OFFSET 0
    ) r`;

const fixedColumns: readonly Column<NewMessage>[] = [
  { name: 'sent_at', type: 'bigint', of: ({ place }) => place.sentAt },
  { name: 'number', type: 'bigint', of: ({ place }) => place.number },
  { name: 'received_at', type: 'bigint', of: ({ receivedAt }) => receivedAt },
  { name: 'message_id', type: 'text', of: ({ identity }) => identity.messageId },
  { name: 'sender', type: 'text', of: ({ identity }) => identity.sender },
  { name: 'destination', type: 'text', of: ({ identity }) => identity.destination },
  { name: 'bulk_id', type: 'text', of: ({ identity }) => identity.bulkId },
  { name: 'entity_id', type: 'text', of: ({ identity }) => identity.entityId },
  { name: 'application_id', type: 'text', of: ({ identity }) => identity.applicationId },
  { name: 'campaign_reference_id', type: 'text', of: ({ identity }) => identity.campaignReferenceId },
  { name: 'message_count', type: 'integer', of: ({ identity }) => identity.messageCount },
  { name: 'content', type: 'text', of: ({ identity }) => identity.contentJson },
];
const stateColumns: readonly Column<Pick<StateChange, 'state'>>[] = [
  { name: 'group_id', type: 'smallint', of: ({ state }) => state.status.groupId },
  { name: 'status_key', type: 'integer', of: ({ state }) => state.status.key },
  { name: 'error_key', type: 'integer', of: ({ state }) => state.error.key },
  { name: 'words', type: 'text', of: ({ state }) => wordsOf(state) },
  { name: '"at"', type: 'bigint', of: ({ state }) => state.at },
  { name: 'done_at', type: 'bigint', of: ({ state }) => state.doneAt },
  { name: 'seen_at', type: 'bigint', of: ({ state }) => state.seenAt },
  { name: 'price', type: 'double precision', of: ({ state }) => state.price?.pricePerMessage },
  { name: 'currency', type: 'text', of: ({ state }) => state.price?.currency },
];

const messageRows = new RowsInto<NewMessage>(
  'message',
  [
    { name: 'account_id', type: 'bigint' },
    { name: 'tx', type: 'bigint' },
    { name: 'state_tx', type: 'bigint' },
  ],
  [...fixedColumns, ...stateColumns],
);

/** A message that was recorded before, with the transactions that did. */
export type OldMessage = NewMessage & { readonly tx: number; readonly stateTx: number };

const oldMessageRows = new RowsInto<OldMessage>(
  'message',
  [{ name: 'account_id', type: 'bigint' }],
  [
    { name: 'tx', type: 'bigint', of: ({ tx }) => tx },
    { name: 'state_tx', type: 'bigint', of: ({ stateTx }) => stateTx },
    ...fixedColumns,
    ...stateColumns,
  ],
  'rows of sealed messages',
);

export function insertAgain(recording: Recording, messages: readonly OldMessage[]): void {
  oldMessageRows.add(recording, [recording.account], messages);
}

export function insertMessages(recording: Recording, messages: readonly NewMessage[]): void {
  const { account, tx } = recording;
  messageRows.add(recording, [account, tx, tx], messages);
}

const namesOf = (columns: readonly { readonly name: string }[], prefix = '') =>
  columns.map(({ name }) => `${prefix}${name}`).join(', ');
const recordedColumns = [{ name: 'tx' }, ...fixedColumns];

/**
 * Written as an upsert of rows that are known to be there. An UPDATE that joins the changes leaves it to the planner
 * which side to read first, and for tables not analysed yet it reads whole partitions.
 */
const stateChanges: Statement = {
  name: 'state changes',
  text: `
    INSERT INTO message (account_id, state_tx, ${namesOf(recordedColumns)}, ${namesOf(stateColumns)})
    SELECT m.account_id, $2, ${namesOf(recordedColumns, 'm.')}, u.group_id, u.status_key, u.error_key, u.words, u.state_at, u.done_at, u.seen_at, u.price, u.currency
    FROM unnest($3::bigint[], $4::bigint[], $7::smallint[], $8::integer[], $9::integer[], $10::text[], $11::bigint[],
      $12::bigint[], $13::bigint[], $14::double precision[], $15::text[])
      u (sent_at, number, group_id, status_key, error_key, words, state_at, done_at, seen_at, price, currency)
    CROSS JOIN LATERAL (
      SELECT account_id, ${namesOf(recordedColumns)} FROM message o
      WHERE o.account_id = $1 AND o.sent_at = u.sent_at AND o.number = u.number AND o.sent_at BETWEEN $5 AND $6
      OFFSET 0
    ) m
    ON CONFLICT (account_id, sent_at, number) DO UPDATE SET
      state_tx = excluded.state_tx, ${stateColumns.map(({ name }) => `${name} = excluded.${name}`).join(', ')}`,
};

export function changeStates({ session, account, tx }: Recording, changes: readonly StateChange[]): void {
  if (changes.length === 0) return;
  const places = placeValues(changes.map(({ place }) => place));
  session.send(stateChanges, [account, tx, ...places, ...stateColumns.map(column => arrayOf(column, changes))]);
}

const reportRows = new RowsInto<NewReport>(
  'report',
  [
    { name: 'account_id', type: 'bigint' },
    { name: 'tx', type: 'bigint' },
  ],
  [
    { name: 'sent_at', type: 'bigint', of: ({ place }) => place.sentAt },
    { name: 'number', type: 'bigint', of: ({ place }) => place.number },
    { name: 'version', type: 'integer', of: ({ version }) => version },
    { name: 'received_at', type: 'bigint', of: ({ receivedAt }) => receivedAt },
    { name: 'group_before', type: 'smallint', of: ({ before }) => before.status.groupId },
    { name: 'group_after', type: 'smallint', of: ({ after }) => after.status.groupId },
    { name: 'said', type: 'text', of: ({ said, evidence }) => writeReport(said, evidence) },
    { name: 'state_before', type: 'text', of: ({ before }) => writeReport(before) },
  ],
);

export function insertReports(recording: Recording, reports: readonly NewReport[]): void {
  reportRows.add(recording, [recording.account, recording.tx], reports);
}

const newRecording: Statement = {
  name: 'recording',
  text: `
    INSERT INTO recording (account_id, tx, generation, messages, reports, oldest_sent_at, newest_sent_at, sent_ats,
      numbers, versions, minutes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
};

/** Rows are inserted beside the account's row on Citus (`ofAccount`): without it, the transaction must fail. */
const accountIsKnown: Statement = {
  name: 'account is known',
  text: 'SELECT 1 / count(*) FROM summed s WHERE s.account_id = $1',
};

/** To be asked for where rows are inserted. */
export function needAccount({ session, account, onCitus }: Recording): void {
  if (onCitus) session.send(accountIsKnown, [account]);
}

/** Leaves a row that tells what the transaction did. */
export function leaveRecord(recording: Recording, written: Written): void {
  const { session, account, tx, generation } = recording;
  const { messages, reports, steps } = written;
  if (messages.length === 0 && reports.length === 0) return;
  const recordedAt = messages.map(({ place }) => place.sentAt);
  needAccount(recording);
  session.send(newRecording, [
    account,
    tx,
    generation,
    messages.length,
    reports.length,
    messages.length === 0 ? null : Math.min(...recordedAt),
    Math.max(...recordedAt, ...reports.map(({ place }) => place.sentAt)),
    bigints(steps.map(({ place }) => place.sentAt)),
    bigints(steps.map(({ place }) => place.number)),
    integers(steps.map(({ version }) => version)),
    minutesText(minutesOf(written)),
  ]);
}

/** The places, and the bounds between which partitions hold them. */
export function placeValues(asked: readonly Place[]): readonly [Buffer, Buffer, number, number] {
  const sentAts = asked.map(place => place.sentAt);
  return [bigints(sentAts), bigints(asked.map(place => place.number)), Math.min(...sentAts), Math.max(...sentAts)];
}
