import type { AccountId } from '../domain/message.ts';
import { integer, optional, type Row, text } from '../postgres/cells.ts';
import type { Connections } from '../postgres/connections.ts';
import type { SenderPage, SenderRows } from './rows.ts';

/** Senders in the database of the log, for any number of servers. Closes the connections when it is closed. */
export class PostgresSenderRows implements SenderRows {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async put(sender: SenderPage): Promise<void> {
    const { account, page, name, price, sealedToken, sealedAppSecrets, changedAt } = sender;
    await this.#connections.query(
      `INSERT INTO sender (account_id, page, name, price, sealed_token, sealed_app_secrets, changed_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (account_id, page) DO UPDATE SET name = excluded.name, price = excluded.price,
         sealed_token = excluded.sealed_token, sealed_app_secrets = excluded.sealed_app_secrets,
         changed_at = excluded.changed_at`,
      [
        account,
        page,
        name ?? null,
        price === undefined ? null : JSON.stringify(price),
        sealedToken,
        sealedAppSecrets.join(' '),
        changedAt,
      ],
    );
  }

  async senders(): Promise<readonly SenderPage[]> {
    const rows = await this.#connections.query(
      `SELECT account_id, page, name, price, sealed_token, sealed_app_secrets, changed_at
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

  close(): Promise<void> {
    return this.#connections.close();
  }
}

function readSender([account, page, named, priced, sealedToken, sealedAppSecrets, changedAt]: Row): SenderPage {
  const [name, price] = [optional(named, text), optional(priced, text)];
  return {
    account: integer(account),
    page: text(page),
    ...(name !== undefined && { name }),
    ...(price !== undefined && { price: JSON.parse(price) }),
    sealedToken: text(sealedToken),
    sealedAppSecrets: text(sealedAppSecrets).split(' '),
    changedAt: integer(changedAt),
  };
}
