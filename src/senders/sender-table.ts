import type { AccountId } from '../domain/message.ts';
import { integer, optional, type Row, text, truth } from '../postgres/cells.ts';
import type { Connections } from '../postgres/connections.ts';
import type { ReportPlace, ReportPlaceRows } from './report-places.ts';
import type { SenderPage, SenderRows } from './rows.ts';

/** Senders in the database of the log, for any number of servers. Closes the connections when it is closed. */
export class PostgresSenderRows implements SenderRows, ReportPlaceRows {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async put(sender: SenderPage): Promise<void> {
    const { account, page, name, price, sealedToken, isWatched, sealedAppSecrets, changedAt } = sender;
    await this.#connections.query(
      `INSERT INTO sender (account_id, page, name, price, sealed_token, is_watched, sealed_app_secrets, changed_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
       ON CONFLICT (account_id, page) DO UPDATE SET name = excluded.name, price = excluded.price,
         sealed_token = excluded.sealed_token, is_watched = excluded.is_watched, sealed_app_secrets = excluded.sealed_app_secrets,
         changed_at = excluded.changed_at`,
      [
        account,
        page,
        name ?? null,
        price === undefined ? null : JSON.stringify(price),
        sealedToken ?? null,
        isWatched,
        sealedAppSecrets.join(' '),
        changedAt,
      ],
    );
  }

  async senders(): Promise<readonly SenderPage[]> {
    const rows = await this.#connections.query(
      `SELECT account_id, page, name, price, sealed_token, is_watched, sealed_app_secrets, changed_at
       FROM sender ORDER BY account_id, page`,
    );
    return rows.map(readSender);
  }

  async remove(account: AccountId, page: string): Promise<boolean> {
    const removed = await this.#connections.query(
      'DELETE FROM sender WHERE account_id = $1 AND page = $2 RETURNING page',
      [account, page],
    );
    return removed.length > 0;
  }

  async putPlace({ account, deliveryUrl, seenUrl, contentType, sealedSecret, changedAt }: ReportPlace): Promise<void> {
    await this.#connections.query(
      `INSERT INTO report_place (account_id, delivery_url, seen_url, content_type, sealed_secret, changed_at)
       VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (account_id) DO UPDATE SET delivery_url = excluded.delivery_url, seen_url = excluded.seen_url,
         content_type = excluded.content_type, sealed_secret = excluded.sealed_secret, changed_at = excluded.changed_at`,
      [account, deliveryUrl ?? null, seenUrl ?? null, contentType, sealedSecret ?? null, changedAt],
    );
  }

  async places(): Promise<readonly ReportPlace[]> {
    const rows = await this.#connections.query(
      `SELECT account_id, delivery_url, seen_url, content_type, sealed_secret, changed_at
       FROM report_place ORDER BY account_id`,
    );
    return rows.map(readPlace);
  }

  async removePlace(account: AccountId): Promise<boolean> {
    const text = 'DELETE FROM report_place WHERE account_id = $1 RETURNING account_id';
    return (await this.#connections.query(text, [account])).length > 0;
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}

function readSender([account, page, named, priced, sealed, watched, sealedAppSecrets, changedAt]: Row): SenderPage {
  const [name, price, sealedToken] = [named, priced, sealed].map(cell => optional(cell, text));
  return {
    account: integer(account),
    page: text(page),
    ...(name !== undefined && { name }),
    ...(price !== undefined && { price: JSON.parse(price) }),
    ...(sealedToken !== undefined && { sealedToken }),
    isWatched: truth(watched),
    sealedAppSecrets: text(sealedAppSecrets).split(' '),
    changedAt: integer(changedAt),
  };
}

function readPlace([account, delivery, seen, type, sealed, changedAt]: Row): ReportPlace {
  const [deliveryUrl, seenUrl, sealedSecret] = [delivery, seen, sealed].map(cell => optional(cell, text));
  return {
    account: integer(account),
    ...(deliveryUrl !== undefined && { deliveryUrl }),
    ...(seenUrl !== undefined && { seenUrl }),
    contentType: text(type) === 'application/xml' ? 'application/xml' : 'application/json',
    ...(sealedSecret !== undefined && { sealedSecret }),
    changedAt: integer(changedAt),
  };
}
