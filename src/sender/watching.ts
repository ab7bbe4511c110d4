import { createHash } from 'node:crypto';
import type { AccountId } from '../domain/message.ts';
import type { Outgoing } from '../domain/outgoing.ts';
import { contentOfEcho } from '../graph/echo-content.ts';
import type { PageReceipt } from '../graph/webhook-events.ts';
import { limits } from '../limits.ts';
import type { Receipt } from '../outbox/outbox.ts';
import { fieldSources } from '../wire/json-source.ts';

/** Accounts, by the page that they have. */
export type PageAccounts = ReadonlyMap<string, readonly AccountId[]>;

/**
 * What the outbox is told of events of pages: of those that were proven, for the accounts they were proven for, and echoes
 * with the message that they may be to those of them that watch the page.
 */
export function receiptsOf(
  events: readonly PageReceipt[],
  proven: PageAccounts,
  watchers: PageAccounts,
): readonly Receipt[] {
  return events.flatMap((event): readonly Receipt[] => {
    const accounts = proven.get(event.page) ?? [];
    if (accounts.length === 0) return [];
    if (event.kind !== 'echo') return [{ ...event, accounts }];
    const { message, text, ...echo } = event;
    const watching = (watchers.get(event.page) ?? []).filter(account => accounts.includes(account));
    if (watching.length === 0) return [{ ...echo, accounts }];
    return [{ ...echo, accounts, foreign: { accounts: watching, message: foreignMessage(event) } }];
  });
}

/** A message that somebody else sent, as far as Meta tells of it. */
function foreignMessage({ page, psid, mid, at, message, text }: Extract<PageReceipt, { kind: 'echo' }>): Outgoing {
  const { app_id: app } = message;
  const source = text === undefined ? undefined : fieldSources(text).get('message')?.text;
  const written = source === undefined ? undefined : fieldSources(source).get('app_id')?.text;
  const applicationId = typeof app === 'number' ? (written ?? String(app)) : typeof app === 'string' ? app : '';
  return {
    messageId: idOf(mid),
    isIdGiven: true,
    sender: page,
    destination: psid,
    contentJson: contentOfEcho(message, source),
    ...(applicationId !== '' && applicationId.length <= limits.idCharsMax && { applicationId }),
    dueAt: at,
    expiresAt: at + limits.sendValidityMs,
    hasFailover: false,
    isForeign: true,
  };
}

/** Meta says nothing of how long its ids may become. */
function idOf(mid: string): string {
  if (mid.length <= limits.messageIdCharsMax) return mid;
  return `mid-sha256:${createHash('sha256').update(mid).digest('hex')}`;
}
