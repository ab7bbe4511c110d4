import type { EpochMs } from '../../domain/message.ts';
import type { Outgoing } from '../../domain/outgoing.ts';
import { limits } from '../../limits.ts';
import { bigints, integers, smallints, texts } from '../../postgres/arrays.ts';
import { integer, optional, type Row, text, truth } from '../../postgres/cells.ts';
import type { Transaction } from '../../postgres/session.ts';
import { type Excluded, type PushTurns, pushWindow } from '../push-turns.ts';
import {
  type DuePush,
  type PushOutcome,
  type PushPlace,
  type Report,
  type ReportQuery,
  reportOn,
  type Subscribed,
} from '../reporting.ts';
import { steps } from '../telling.ts';

/** What a process took to give to a caller, or to push, is another's after this, unless it says that it is still at it. */
const takenMs = 60_000;
const seen = 1;
const fields = ['bulkId', 'entityId', 'applicationId', 'campaignReferenceId'] as const;

/** The log was told of these steps. */
export async function told(
  session: Transaction,
  teller: string,
  ids: readonly number[],
  now: EpochMs,
  subscribed: readonly Subscribed[],
): Promise<void> {
  if (ids.length === 0) return;
  const byAccount = new Map(subscribed.map(one => [one.account, one]));
  const reported = new Set<number>();
  const marks: number[] = [];
  const reports = (await session.query(toldSteps, [bigints(ids), teller])).map(stepIn).flatMap(step => {
    const isReported = step.isReported || reported.has(step.id);
    const report = reportOn({ ...step, isReported }, byAccount.get(step.account));
    if (report?.isOpen) reported.add(step.id);
    if (report?.isOpen && !step.isLast) marks.push(step.id);
    return report === undefined ? [] : [{ ...step, ...report }];
  });
  if (reports.length === 0) return;
  if (marks.length > 0) session.send(marked, [bigints(marks)]);
  session.send(made, [
    now,
    bigints(reports.map(one => one.id)),
    bigints(reports.map(one => one.account)),
    smallints(reports.map(one => (one.kind === 'seen' ? seen : 0))),
    integers(reports.map(one => one.statusKey)),
    integers(reports.map(one => one.errorKey)),
    bigints(reports.map(one => one.seenAt ?? one.doneAt)),
    smallints(reports.map(one => Number(one.isOpen))),
    texts(reports.map(one => one.url)),
    ...fields.map(name => texts(reports.map(one => one.message[name]))),
  ]);
}

export async function takeReports(
  session: Transaction,
  taker: string,
  { account, limit, bulkId, messageId, entityId, applicationId, campaignReferenceId }: ReportQuery,
): Promise<readonly Report[]> {
  const others = [bulkId, messageId, entityId, applicationId, campaignReferenceId].map(value => value ?? null);
  return (await session.query(takeOpen, [account, limit, taker, ...others])).map(reportIn).sort((a, b) => a.id - b.id);
}

export async function given(session: Transaction, ids: readonly number[]): Promise<void> {
  await session.query('UPDATE outbox_report SET is_open = false WHERE id = ANY ($1::bigint[])', [bigints(ids)]);
  await session.query(dropDone, [bigints(ids)]);
}

/** What is another's by now stays his. */
export async function giveBack(session: Transaction, taker: string, ids: readonly number[]): Promise<void> {
  const theirs = 'UPDATE outbox_report SET taker = NULL WHERE id = ANY ($1::bigint[]) AND taker = $2';
  await session.query(theirs, [bigints(ids), taker]);
}

/** They are still being written to their callers. */
export async function keepTaken(session: Transaction, taker: string, ids: ReadonlySet<number>): Promise<void> {
  if (ids.size > 0) await session.query(keep, [bigints([...ids]), taker]);
}

/** What is given is this process's until it says what came of it. */
export async function duePushes(
  session: Transaction,
  turns: PushTurns,
  busy: readonly PushPlace[],
  places: number,
  now: EpochMs,
): Promise<readonly DuePush[]> {
  const due = (await session.query(dueAccounts, [now])).map(([account]) => integer(account));
  const accounts = turns.order(due, busy);
  const found = await session.query(duePlaces, [
    now,
    bigints(accounts),
    ...excludedColumns(accounts.map(account => ({ account, ...turns.excluded(account, busy) }))),
  ]);
  const free = found.map(([account, url]) => ({ account: integer(account), url: text(url) }));
  const chosen = turns.deal(free, busy, places);
  if (chosen.length === 0) return [];
  const ofChosen = [bigints(chosen.map(one => one.account)), texts(chosen.map(one => one.url))];
  const rows = await session.query(takeDue, [now, ...ofChosen]);
  return rows
    .map(row => {
      const report = reportIn(row);
      const [url, tries] = row.slice(-2);
      return { place: { account: report.account, url: text(url) }, report, tries: integer(tries) };
    })
    .sort((a, b) => a.report.id - b.report.id);
}

function excludedColumns(excluded: readonly (Excluded & { readonly account: number })[]) {
  const urls = excluded.flatMap(({ account, urls: own }) => own.map(url => ({ account, url })));
  const prefixes = excluded.flatMap(({ account, prefixes: own }) => own.map(prefix => ({ account, prefix })));
  return [
    bigints(urls.map(one => one.account)),
    texts(urls.map(one => one.url)),
    bigints(prefixes.map(one => one.account)),
    texts(prefixes.map(one => one.prefix)),
  ];
}

export async function pushed(session: Transaction, outcomes: readonly PushOutcome[]): Promise<void> {
  const ids = bigints(outcomes.map(one => one.id));
  await session.query(pushedOnce, [ids, bigints(outcomes.map(one => one.againAt))]);
  await session.query(dropDone, [ids]);
}

/** `true` when there may be more that is too old. */
export async function forgetReports(session: Transaction, now: EpochMs): Promise<boolean> {
  return (await session.query(forget, [now - limits.reportsMs])).length === limits.outboxStepMax;
}

function outgoingIn(body: Row[number]): Outgoing {
  return JSON.parse(text(body));
}

function stepIn([id, account, isReported, body, isFirst, status, error, done, seenAt, isLast]: Row) {
  const [statusKey, errorKey] = [optional(status, integer), optional(error, integer)];
  const [doneMs, seenMs] = [optional(done, integer), optional(seenAt, integer)];
  return {
    id: integer(id),
    account: integer(account),
    isReported: truth(isReported),
    message: outgoingIn(body),
    isFirst: truth(isFirst),
    isLast: truth(isLast),
    ...(statusKey !== undefined && { statusKey }),
    ...(errorKey !== undefined && { errorKey }),
    ...(doneMs !== undefined && { doneAt: doneMs }),
    ...(seenMs !== undefined && { seenAt: seenMs }),
  };
}

function reportIn([id, account, kind, status, error, at, body, priced, person, sentAt]: Row): Report {
  const [moment, price, psid] = [optional(at, integer), optional(priced, text), optional(person, text)];
  const common = {
    id: integer(id),
    account: integer(account),
    message: outgoingIn(body),
    sentAt: integer(sentAt),
    ...(psid !== undefined && { psid }),
    ...(price !== undefined && { price: JSON.parse(price) }),
  };
  if (integer(kind) === seen) return { ...common, kind: 'seen', seenAt: integer(at) };
  return {
    ...common,
    kind: 'delivery',
    statusKey: integer(status),
    errorKey: integer(error),
    ...(moment !== undefined && { doneAt: moment }),
  };
}

const isOfInterest = `(g.seen_at IS NOT NULL OR g.status NOT IN (${steps.accepted.status.key}, ${steps.sent.status.key}))`;
/** Its own receipt is the last that changes a message's status: after a report on it no other has to be kept from being made. */
const isLast = `m.delivery = 2 AND NOT EXISTS (
  SELECT FROM outbox_step s WHERE s.message = m.id AND s.id > g.id AND s.status IS NOT NULL)`;
/**
 * Of most steps nobody wants a report, and no message is read for them: of those before the end whoever says so, in a text that
 * was written without blanks.
 */
const toldSteps = {
  name: 'outbox steps told',
  text: `WITH gone AS (DELETE FROM outbox_step s WHERE s.id = ANY ($1::bigint[]) RETURNING s.*),
    others AS (
      UPDATE outbox_telling t SET messages = ARRAY(SELECT unnest(t.messages) EXCEPT SELECT message FROM gone) WHERE t.teller = $2)
    SELECT m.id, m.account_id, m.is_reported, m.body, g.is_first, g.status, g.error, g.done_at, g.seen_at, ${isLast}
    FROM gone g JOIN outbox_message m ON m.id = g.message
    WHERE (${isOfInterest} OR NOT g.is_first) AND (${isOfInterest} OR position('"intermediate":true' IN m.body) > 0)
    ORDER BY g.id`,
};
const marked = {
  name: 'outbox messages reported',
  text: 'UPDATE outbox_message SET is_reported = true WHERE id = ANY ($1::bigint[])',
};
const made = {
  name: 'outbox reports made',
  text: `INSERT INTO outbox_report (message, account_id, made_at, kind, status, error, moment, is_open, url, push_at,
      has_fields, bulk_id, entity_id, application_id, campaign_reference_id)
    SELECT r.message, r.account_id, $1::bigint, r.kind, r.status, r.error, r.moment, r.is_open = 1, r.url,
      CASE WHEN r.url IS NOT NULL THEN $1::bigint END,
      true, r.bulk_id, r.entity_id, r.application_id, r.campaign_reference_id
    FROM unnest($2::bigint[], $3::bigint[], $4::smallint[], $5::integer[], $6::integer[], $7::bigint[], $8::smallint[],
      $9::text[], $10::text[], $11::text[], $12::text[], $13::text[]) WITH ORDINALITY r(message, account_id, kind, status,
      error, moment, is_open, url, bulk_id, entity_id, application_id, campaign_reference_id, nr)
    ORDER BY r.nr`,
};
/** What was not sent cost nothing. */
const columns = `t.id, t.account_id, t.kind, t.status, t.error, t.moment, m.body,
  CASE WHEN m.mid IS NOT NULL OR t.status = ${steps.done.status.key} THEN m.price END, m.psid, m.sent_at`;
const isFree = '(r.taken_until IS NULL OR r.taken_until < clock_timestamp())';
const until = `clock_timestamp() + ${takenMs} * interval '1 millisecond'`;
/**
 * What reports are filtered by stands in columns: PostgreSQL does not read JSON with an escaped NUL or half a surrogate pair
 * in any of its texts. Reports that an older program made have it in the body alone.
 */
const field = (column: string, name: string, value: string) => `(${value}::text IS NULL OR ${value} =
  CASE WHEN r.has_fields THEN r.${column} WHEN m.body !~ '\\\\u(0000|d[89a-f])' THEN m.body::json ->> '${name}' END)`;
const takeOpen = {
  name: 'outbox reports taken',
  text: `WITH found AS MATERIALIZED (
      SELECT r.id FROM outbox_report r JOIN outbox_message m ON m.id = r.message
      WHERE r.is_open AND r.account_id = $1 AND (r.taker IS NULL OR ${isFree})
        AND ($5::text IS NULL OR m.message_id = $5) AND ${field('bulk_id', 'bulkId', '$4')}
        AND ${field('entity_id', 'entityId', '$6')} AND ${field('application_id', 'applicationId', '$7')}
        AND ${field('campaign_reference_id', 'campaignReferenceId', '$8')}
      ORDER BY r.id LIMIT $2 FOR UPDATE OF r SKIP LOCKED),
    t AS (
      UPDATE outbox_report r SET taker = $3, taken_until = ${until} FROM found f WHERE r.id = f.id RETURNING r.*)
    SELECT ${columns} FROM t JOIN outbox_message m ON m.id = t.message`,
};
const keep = {
  name: 'outbox reports kept taken',
  text: `UPDATE outbox_report r SET taken_until = ${until} WHERE r.id = ANY ($1::bigint[]) AND r.taker = $2 AND r.is_open`,
};
const isDue = `r.push_at IS NOT NULL AND r.push_at <= $1
  AND (r.push_taken_until IS NULL OR r.push_taken_until < clock_timestamp())`;
const dueAccounts = {
  name: 'outbox accounts to push for',
  text: `WITH RECURSIVE has(account_id) AS (
      (SELECT r.account_id FROM outbox_report r WHERE r.push_at IS NOT NULL ORDER BY r.account_id LIMIT 1)
      UNION ALL
      SELECT n.account_id FROM has p CROSS JOIN LATERAL (
        SELECT r.account_id FROM outbox_report r WHERE r.push_at IS NOT NULL AND r.account_id > p.account_id
        ORDER BY r.account_id LIMIT 1) n)
    SELECT p.account_id FROM has p
    WHERE EXISTS (SELECT FROM outbox_report r WHERE r.account_id = p.account_id AND ${isDue})
    ORDER BY p.account_id`,
};
const duePlaces = {
  name: 'outbox places to push to',
  text: `SELECT a.account_id, d.url
    FROM unnest($2::bigint[]) WITH ORDINALITY a(account_id, nr) CROSS JOIN LATERAL (
      SELECT r.url, r.push_at, r.id FROM outbox_report r
      WHERE r.account_id = a.account_id AND ${isDue}
        AND NOT EXISTS (SELECT FROM unnest($3::bigint[], $4::text[]) b(account_id, url)
          WHERE b.account_id = r.account_id AND b.url = r.url)
        AND NOT EXISTS (SELECT FROM unnest($5::bigint[], $6::text[]) b(account_id, prefix)
          WHERE b.account_id = r.account_id AND starts_with(r.url, b.prefix))
      ORDER BY r.push_at, r.id LIMIT ${pushWindow}) d
    ORDER BY a.nr, d.push_at, d.id`,
};
const takeDue = {
  name: 'outbox reports to push',
  text: `WITH found AS MATERIALIZED (
      SELECT d.id FROM unnest($2::bigint[], $3::text[]) p(account_id, url) CROSS JOIN LATERAL (
        SELECT r.id FROM outbox_report r WHERE r.account_id = p.account_id AND r.url = p.url AND ${isDue}
        ORDER BY r.push_at, r.id LIMIT ${limits.pushReportsMax} FOR UPDATE SKIP LOCKED) d),
    t AS (
      UPDATE outbox_report r SET push_taken_until = ${until} FROM found f WHERE r.id = f.id RETURNING r.*)
    SELECT ${columns}, t.url, t.push_tries FROM t JOIN outbox_message m ON m.id = t.message`,
};
const pushedOnce = {
  name: 'outbox reports pushed',
  text: `UPDATE outbox_report r SET push_at = o.again_at, push_tries = r.push_tries + 1, push_taken_until = NULL
    FROM unnest($1::bigint[], $2::bigint[]) o(id, again_at) WHERE r.id = o.id`,
};
const dropDone = {
  name: 'outbox reports done',
  text: 'DELETE FROM outbox_report r WHERE r.id = ANY ($1::bigint[]) AND NOT r.is_open AND r.push_at IS NULL',
};
const forget = {
  name: 'outbox reports forgotten',
  text: `DELETE FROM outbox_report WHERE id IN (
      SELECT r.id FROM outbox_report r WHERE r.made_at < $1 ORDER BY r.made_at LIMIT ${limits.outboxStepMax}
      FOR UPDATE SKIP LOCKED)
    RETURNING id`,
};
