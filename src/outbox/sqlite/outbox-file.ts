import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { madeListName, Unusable, unusableText } from '../../failures.ts';

/**
 * The steps from nothing to the present schema: each file is brought up to date when it is opened. A step that was
 * released is never changed, only followed by another.
 *
 * `delivery`: 0 while nothing is known of it, 1 when later receipts imply it, 2 when its own receipt came. `implied_at`: the
 * moment that what was implied counts for.
 * `sent_at`: when it joined the log. `is_reported`: a final report on it was made. `is_open`: nobody was given the report.
 * `is_head`: the first of its conversation, and to be claimed when it is due. `is_in_line`: from when it is queued until it
 * was sent or ended. `deadline`: when `lapse` looks at it.
 */
const schemaSteps: readonly string[] = [
  `
  CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    destination TEXT NOT NULL,
    lane INTEGER NOT NULL,
    place INTEGER NOT NULL,
    state INTEGER NOT NULL,
    is_head INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    deadline INTEGER,
    tries INTEGER NOT NULL,
    claimed_at INTEGER,
    last_error INTEGER,
    mid TEXT,
    psid TEXT,
    meta_at INTEGER,
    is_echoed INTEGER NOT NULL,
    delivery INTEGER NOT NULL DEFAULT 0,
    seen_at INTEGER,
    price TEXT,
    body TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX message_by_id ON message (message_id, account);
  CREATE INDEX message_ready ON message (account, sender, lane, due_at) WHERE is_head = 1;
  CREATE INDEX message_scheduled ON message (due_at) WHERE state = 0;
  CREATE INDEX message_claimed ON message (id) WHERE state = 2;
  CREATE INDEX message_of_conversation ON message (account, sender, destination, place) WHERE state IN (1, 2, 3);
  CREATE INDEX message_by_deadline ON message (deadline) WHERE deadline IS NOT NULL;
  CREATE INDEX message_by_mid ON message (sender, mid) WHERE mid IS NOT NULL;
  CREATE INDEX message_undelivered ON message (sender, psid, meta_at) WHERE state = 4 AND delivery = 0;
  CREATE INDEX message_unseen ON message (sender, psid, meta_at) WHERE state = 4 AND seen_at IS NULL;
  CREATE INDEX message_by_acceptance ON message (accepted_at);

  CREATE TABLE step (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message INTEGER NOT NULL,
    at INTEGER NOT NULL,
    is_first INTEGER NOT NULL,
    status INTEGER,
    error INTEGER,
    done_at INTEGER,
    seen_at INTEGER,
    with_price INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE conversation (
    page TEXT NOT NULL,
    psid TEXT NOT NULL,
    delivered_to INTEGER,
    delivered_at INTEGER,
    read_to INTEGER,
    read_at INTEGER,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (page, psid)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX conversation_by_change ON conversation (changed_at);

  CREATE TABLE parked (
    page TEXT NOT NULL,
    mid TEXT NOT NULL,
    delivered_at INTEGER NOT NULL,
    parked_at INTEGER NOT NULL,
    PRIMARY KEY (page, mid)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX parked_by_time ON parked (parked_at);

  CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE message ADD COLUMN sent_at INTEGER;
  ALTER TABLE message ADD COLUMN is_reported INTEGER NOT NULL DEFAULT 0;
  UPDATE message SET sent_at = max(accepted_at, due_at);

  CREATE TABLE report (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message INTEGER NOT NULL,
    account INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    status INTEGER,
    error INTEGER,
    moment INTEGER,
    is_open INTEGER NOT NULL,
    url TEXT,
    push_at INTEGER,
    push_tries INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX report_open ON report (account, id) WHERE is_open = 1;
  CREATE INDEX report_to_push ON report (account, url, push_at) WHERE push_at IS NOT NULL;
  CREATE INDEX report_by_age ON report (made_at);
  CREATE INDEX report_of_message ON report (message);
  CREATE INDEX step_of_message ON step (message);
  `,
  // So that messages are counted in indexes alone.
  `
  CREATE INDEX message_unknown ON message (id) WHERE state = 3;
  `,
  // So that what is to be pushed later is not looked at before.
  `
  CREATE INDEX report_due ON report (account, push_at) WHERE push_at IS NOT NULL;
  `,
  // What is heard counts for the accounts that it was proven for. Of what was kept so far nobody knows which those are.
  `
  DROP TABLE conversation;
  CREATE TABLE conversation (
    account INTEGER NOT NULL,
    page TEXT NOT NULL,
    psid TEXT NOT NULL,
    delivered_to INTEGER,
    delivered_at INTEGER,
    read_to INTEGER,
    read_at INTEGER,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (account, page, psid)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX conversation_by_change ON conversation (changed_at);

  DROP TABLE parked;
  CREATE TABLE parked (
    account INTEGER NOT NULL,
    page TEXT NOT NULL,
    mid TEXT NOT NULL,
    delivered_at INTEGER NOT NULL,
    parked_at INTEGER NOT NULL,
    PRIMARY KEY (account, page, mid)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX parked_by_time ON parked (parked_at);

  DROP INDEX message_by_mid;
  DROP INDEX message_undelivered;
  DROP INDEX message_unseen;
  CREATE INDEX message_by_mid ON message (account, sender, mid) WHERE mid IS NOT NULL;
  CREATE INDEX message_undelivered ON message (account, sender, psid, meta_at) WHERE state = 4 AND delivery = 0;
  CREATE INDEX message_unseen ON message (account, sender, psid, meta_at) WHERE state = 4 AND seen_at IS NULL;
  `,
  // So that a message's own receipt goes before what was implied.
  `
  ALTER TABLE message ADD COLUMN implied_at INTEGER;
  `,
  // One index of what may still be heard of in place of two: what was not delivered was not seen either.
  `
  DROP INDEX message_undelivered;
  DROP INDEX message_unseen;
  CREATE INDEX message_open ON message (account, sender, psid, delivery, meta_at) WHERE state = 4 AND seen_at IS NULL;
  `,
  // So that a read that comes after a later one corrects what that one told.
  `
  CREATE INDEX message_seen ON message (account, sender, psid, meta_at) WHERE seen_at IS NOT NULL;
  `,
  // So that a message which is claimed, delivered or seen changes no index of its conversation.
  `
  ALTER TABLE message ADD COLUMN is_in_line INTEGER NOT NULL DEFAULT 0;
  UPDATE message SET is_in_line = 1 WHERE state IN (1, 2, 3);
  DROP INDEX message_of_conversation;
  CREATE INDEX message_in_line ON message (account, sender, destination, place) WHERE is_in_line = 1;
  DROP INDEX message_open;
  DROP INDEX message_seen;
  CREATE INDEX message_of_person ON message (account, sender, psid, meta_at) WHERE meta_at IS NOT NULL;
  DROP INDEX step_of_message;
  `,
  // So that nobody counts what may be millions: whoever asks for figures does so again and again.
  counted('in_line', 'message', 'is_in_line', row => `${row}.is_in_line = 1`) +
    counted('scheduled', 'message', 'state', row => `${row}.state = 0`) +
    counted('open_reports', 'report', 'is_open', row => `${row}.is_open = 1`) +
    counted('pushes', 'report', 'push_at', row => `${row}.push_at IS NOT NULL`),
];

/** Keeps how many rows of a table are so, whatever changes them; it depends on one column. */
function counted(name: string, table: string, column: string, isSo: (row: string) => string): string {
  const change = (by: string) => `UPDATE counter SET value = value + ${by} WHERE name = '${name}'`;
  return `
  INSERT INTO counter (name, value) SELECT '${name}', count(*) FROM ${table} WHERE ${isSo(table)};
  CREATE TRIGGER ${name}_added AFTER INSERT ON ${table} WHEN ${isSo('NEW')} BEGIN ${change('1')}; END;
  CREATE TRIGGER ${name}_removed AFTER DELETE ON ${table} WHEN ${isSo('OLD')} BEGIN ${change('-1')}; END;
  CREATE TRIGGER ${name}_changed AFTER UPDATE OF ${column} ON ${table} WHEN (${isSo('OLD')}) <> (${isSo('NEW')})
    BEGIN ${change(`CASE WHEN ${isSo('NEW')} THEN 1 ELSE -1 END`)}; END;
  `;
}

/** How much of the file is kept in memory. */
export type OutboxMemory = 'usual' | 'little';
/** What is in line and on its way fits: a page that is changed again soon is not read again. */
const cacheKiB: Readonly<Record<OutboxMemory, number>> = { usual: 8192, little: 512 };
/** Pages that one group of changes after the other writes are copied into the file once. */
const checkpointPages = 4000;

/**
 * Opens the file, making it and its folder when absent, unless it `isKnown`: then it was moved or removed, and is not taken
 * for an empty one. Throws `Unusable` when it cannot be used.
 */
export function openOutboxFile(path: string, isKnown = false, memory: OutboxMemory = 'usual'): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    if (isKnown) {
      if (!existsSync(path)) throw new Unusable(`${path} is not there any more`);
    } else {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      closeSync(openSync(path, 'a', 0o600));
    }
    db = new DatabaseSync(path);
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF');
    db.exec(`PRAGMA cache_size = -${cacheKiB[memory]}; PRAGMA wal_autocheckpoint = ${checkpointPages}`);
    const version = Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0);
    if (version > schemaSteps.length)
      throw new Unusable(`${path} was written by a newer sentlog (schema ${version}): run that version`);
    if (version === schemaSteps.length) return db;
    db.exec('BEGIN IMMEDIATE');
    for (const step of schemaSteps.slice(version)) db.exec(step);
    db.exec(`PRAGMA user_version = ${schemaSteps.length}; COMMIT`);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof Unusable) throw error;
    throw new Unusable(unusableText(path, error, join(dirname(path), madeListName)), { cause: error });
  }
}
