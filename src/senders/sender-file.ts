import { closeSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder, refuseFlawed, switchToWriteAheadLog } from '../accounts/sqlite/accounts-file.ts';
import { integer, optionalText, type Row, text } from '../accounts/sqlite/row.ts';
import type { AccountId } from '../domain/message.ts';
import { madeListName, unusableText } from '../failures.ts';
import { OpenedFile } from '../opened-file.ts';
import type { ReportPlace, ReportPlaceRows } from './report-places.ts';
import { SenderError, type SenderPage, type SenderRows } from './rows.ts';

const busyTimeoutMs = 5000;

const schema = `
  CREATE TABLE IF NOT EXISTS sender (
    account_id INTEGER NOT NULL,
    page TEXT NOT NULL,
    name TEXT,
    price TEXT,
    sealed_token TEXT NOT NULL,
    sealed_app_secrets TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, page)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS report_place (
    account_id INTEGER PRIMARY KEY,
    delivery_url TEXT,
    seen_url TEXT,
    content_type TEXT NOT NULL,
    sealed_secret TEXT,
    changed_at INTEGER NOT NULL
  ) STRICT;
`;

/** Senders in a file of the data folder, which commands change beside a server. */
export class SqliteSenderRows implements SenderRows, ReportPlaceRows {
  readonly #opened: DatabaseSync;
  readonly #file: OpenedFile;

  /** Makes the file when it is not there. Throws `SenderError` when it cannot be used. */
  constructor(path: string) {
    try {
      makeFolder(dirname(path));
      // Made here and not by SQLite, so that nobody else can read it even for a moment.
      closeSync(openSync(path, 'a', 0o600));
      this.#opened = new DatabaseSync(path, { timeout: busyTimeoutMs });
      switchToWriteAheadLog(this.#opened);
      this.#opened.exec('PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF');
      this.#opened.exec(schema);
      // Files of before watching lack the column.
      const columns = this.#opened.prepare('PRAGMA table_info(sender)').all();
      if (!columns.some(column => column.name === 'is_watched'))
        this.#opened.exec('ALTER TABLE sender ADD COLUMN is_watched INTEGER NOT NULL DEFAULT 0');
      refuseFlawed(this.#opened);
      this.#file = new OpenedFile(path);
    } catch (error) {
      throw new SenderError(unusableText(path, error, join(dirname(path), madeListName)), { cause: error });
    }
  }

  async put(sender: SenderPage): Promise<void> {
    const { account, page, name, price, sealedToken, isWatched, sealedAppSecrets, changedAt } = sender;
    this.#db
      .prepare(
        `INSERT OR REPLACE INTO sender (account_id, page, name, price, sealed_token, is_watched, sealed_app_secrets, changed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        account,
        page,
        name ?? null,
        price === undefined ? null : JSON.stringify(price),
        // The column may not be empty, and a sealed text never is.
        sealedToken ?? '',
        Number(isWatched),
        sealedAppSecrets.join(' '),
        changedAt,
      );
  }

  async senders(): Promise<readonly SenderPage[]> {
    return this.#db.prepare('SELECT * FROM sender ORDER BY account_id, page').all().map(readSender);
  }

  async remove(account: AccountId, page: string): Promise<boolean> {
    const { changes } = this.#db.prepare('DELETE FROM sender WHERE account_id = ? AND page = ?').run(account, page);
    return Number(changes) > 0;
  }

  async putPlace({ account, deliveryUrl, seenUrl, contentType, sealedSecret, changedAt }: ReportPlace): Promise<void> {
    this.#db
      .prepare(
        `INSERT OR REPLACE INTO report_place (account_id, delivery_url, seen_url, content_type, sealed_secret, changed_at)
         VALUES (?, ?, ?, ?, ?, ?)`,
      )
      .run(account, deliveryUrl ?? null, seenUrl ?? null, contentType, sealedSecret ?? null, changedAt);
  }

  async places(): Promise<readonly ReportPlace[]> {
    return this.#db.prepare('SELECT * FROM report_place ORDER BY account_id').all().map(readPlace);
  }

  async removePlace(account: AccountId): Promise<boolean> {
    return Number(this.#db.prepare('DELETE FROM report_place WHERE account_id = ?').run(account).changes) > 0;
  }

  async close(): Promise<void> {
    if (this.#opened.isOpen) this.#opened.close();
  }

  get #db(): DatabaseSync {
    this.#file.refuseMoved();
    return this.#opened;
  }
}

function readSender(row: Row): SenderPage {
  const name = optionalText(row, 'name');
  const price = optionalText(row, 'price');
  const sealedToken = text(row, 'sealed_token');
  return {
    account: integer(row, 'account_id'),
    page: text(row, 'page'),
    ...(name !== undefined && { name }),
    ...(price !== undefined && { price: JSON.parse(price) }),
    ...(sealedToken !== '' && { sealedToken }),
    isWatched: integer(row, 'is_watched') === 1,
    sealedAppSecrets: text(row, 'sealed_app_secrets').split(' '),
    changedAt: integer(row, 'changed_at'),
  };
}

function readPlace(row: Row): ReportPlace {
  const deliveryUrl = optionalText(row, 'delivery_url');
  const seenUrl = optionalText(row, 'seen_url');
  const sealedSecret = optionalText(row, 'sealed_secret');
  return {
    account: integer(row, 'account_id'),
    ...(deliveryUrl !== undefined && { deliveryUrl }),
    ...(seenUrl !== undefined && { seenUrl }),
    contentType: text(row, 'content_type') === 'application/xml' ? 'application/xml' : 'application/json',
    ...(sealedSecret !== undefined && { sealedSecret }),
    changedAt: integer(row, 'changed_at'),
  };
}
