import { closeSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder, refuseFlawed, switchToWriteAheadLog, transact } from '../../accounts/sqlite/accounts-file.ts';
import { madeListName, unusableText } from '../../failures.ts';
import { MirrorError } from '../rows.ts';

/** One step a schema version, oldest first. A step that was released is never changed, only followed by another. */
const schemaSteps: readonly string[] = [
  `
  CREATE TABLE mirror (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    account_id INTEGER NOT NULL,
    url TEXT NOT NULL,
    sealed_key TEXT NOT NULL,
    requests_per_minute INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    pause_reason TEXT,
    paused_at INTEGER,
    place TEXT,
    spent TEXT NOT NULL DEFAULT ''
  ) STRICT;

  CREATE TABLE followed (
    mirror_id INTEGER NOT NULL REFERENCES mirror ON DELETE CASCADE,
    message_id TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (mirror_id, message_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX followed_by_due ON followed (mirror_id, due_at);
  `,
  'ALTER TABLE mirror ADD COLUMN last_check TEXT',
  `
  ALTER TABLE followed ADD COLUMN by_id INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX followed_by_sent ON followed (mirror_id, sent_at);
  `,
  // How many are followed is asked for every second: it is kept by what changes it, in rows that are short to write.
  `
  CREATE TABLE following (
    mirror_id INTEGER PRIMARY KEY REFERENCES mirror ON DELETE CASCADE,
    messages INTEGER NOT NULL,
    by_id INTEGER NOT NULL
  ) STRICT;
  INSERT INTO following
    SELECT id, count(message_id), ifnull(sum(by_id), 0) FROM mirror LEFT JOIN followed ON mirror_id = id GROUP BY id;
  CREATE TRIGGER mirror_added AFTER INSERT ON mirror BEGIN
    INSERT INTO following VALUES (NEW.id, 0, 0);
  END;
  CREATE TRIGGER followed_added AFTER INSERT ON followed BEGIN
    UPDATE following SET messages = messages + 1, by_id = by_id + NEW.by_id WHERE mirror_id = NEW.mirror_id;
  END;
  CREATE TRIGGER followed_ended AFTER DELETE ON followed BEGIN
    UPDATE following SET messages = messages - 1, by_id = by_id - OLD.by_id WHERE mirror_id = OLD.mirror_id;
  END;
  CREATE TRIGGER followed_changed AFTER UPDATE OF by_id ON followed WHEN NEW.by_id <> OLD.by_id BEGIN
    UPDATE following SET by_id = by_id + NEW.by_id - OLD.by_id WHERE mirror_id = NEW.mirror_id;
  END;
  `,
];

const busyTimeoutMs = 5000;

/**
 * Opens the file of mirrors, making it when it is absent and bringing an older one up to date; commands may have it open
 * beside a server. Throws `MirrorError` when it cannot be used.
 */
export function openMirrorFile(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    if (path !== ':memory:') {
      makeFolder(dirname(path));
      // Made here and not by SQLite, so that nobody else can read it even for a moment.
      closeSync(openSync(path, 'a', 0o600));
    }
    db = new DatabaseSync(path, { timeout: busyTimeoutMs });
    switchToWriteAheadLog(db);
    // A crash of the machine may take back the last steps: they are asked again, and what they recorded is kept already.
    db.exec('PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF');
    migrate(db, path);
    refuseFlawed(db);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof MirrorError) throw error;
    throw new MirrorError(unusableText(path, error, join(dirname(path), madeListName)), { cause: error });
  }
}

function migrate(db: DatabaseSync, path: string): void {
  const version = () => Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version() === schemaSteps.length) return;
  transact(db, () => {
    // Asked again under the lock: another process may just have done it.
    if (version() > schemaSteps.length)
      throw new MirrorError(`${path} was written by a newer sentlog: run that version`);
    for (const step of schemaSteps.slice(version())) db.exec(step);
    db.exec(`PRAGMA user_version = ${schemaSteps.length}`);
  });
}
