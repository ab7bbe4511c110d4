import { createHash } from 'node:crypto';
import type { AccountId } from '../domain/message.ts';
import type { Outgoing } from '../domain/outgoing.ts';
import { contentOfEcho } from '../graph/echo-content.ts';
import type { PageReceipt } from '../graph/webhook-events.ts';
import { limits } from '../limits.ts';
import type { Receipt } from '../outbox/outbox.ts';

/** What the outbox is told of events of pages: echoes of those that are watched with the message that they may be. */
export function receiptsOf(
  events: readonly PageReceipt[],
  watchers: ReadonlyMap<string, AccountId>,
): readonly Receipt[] {
  return events.map(event => {
    if (event.kind !== 'echo') return event;
    const account = watchers.get(event.page);
    const { message, ...echo } = event;
    return account === undefined ? echo : { ...echo, foreign: { account, message: foreignMessage(event) } };
  });
}

/** A message that somebody else sent, as far as Meta tells of it. */
function foreignMessage({ page, psid, mid, at, message }: Extract<PageReceipt, { kind: 'echo' }>): Outgoing {
  const { app_id: app } = message;
  const applicationId = typeof app === 'number' || typeof app === 'string' ? String(app) : '';
  return {
    messageId: idOf(mid),
    isIdGiven: true,
    sender: page,
    destination: psid,
    contentJson: contentOfEcho(message),
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
