import type { AccountId } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { SenderError, type SenderPage } from '../../senders/rows.ts';
import { formatDateTime } from '../../wire/date-time.ts';
import { present } from '../../wire/present.ts';
import { newSenderSchema, type ShownSender } from '../document/management-schemas.ts';
import { ApiError } from '../errors.ts';
import type { ManagedSenders, Sending } from '../parts.ts';
import type { Route } from '../route.ts';
import { type ManagingDeps, managed } from './managing.ts';

const path = '/manage/1/senders';
const onlyWatched = 'it has no token: it is only watched';

/** `/manage/1/senders…`: the pages that an account sends over. Tokens and secrets go in and never come out. */
export function senderRoutes(
  { senders, check }: ManagedSenders,
  sending: Pick<Sending, 'paused'>,
  deps: ManagingDeps,
): readonly Route[] {
  const those = async (account: AccountId) => (await senders.list()).filter(one => one.account === account);
  const own = async (account: AccountId, page: string) => {
    const found = (await those(account)).find(one => one.page === page);
    if (found === undefined) throw new ApiError('E404');
    return found;
  };
  const told = (sender: SenderPage) => shown(sender, sending);
  return [
    managed('GET', path, deps, async ({ account }) => ({ senders: (await those(account)).map(told) })),
    managed('POST', path, deps, async ({ account, body }) => {
      const sender = await body(newSenderSchema);
      const others = (await those(account)).filter(one => one.page !== sender.page);
      if (others.length >= limits.managedSendersMax)
        throw new SenderError(
          `the account has ${limits.managedSendersMax} pages: further ones are added by the operator`,
        );
      await senders.add({ account, ...sender });
      return told(await own(account, sender.page));
    }),
    managed('POST', `${path}/:page/check`, deps, async ({ account, named }) => {
      const sender = await own(account, named('page'));
      const sends = sender.sealedToken !== undefined;
      return { page: sender.page, ...present({ failure: sends ? await check(sender) : onlyWatched }) };
    }),
    managed('DELETE', `${path}/:page`, deps, async ({ account, named }) => {
      await senders.remove(account, (await own(account, named('page'))).page);
      return undefined;
    }),
  ];
}

function shown(
  { account, page, name, price, isWatched, sealedToken, changedAt }: SenderPage,
  sending: Pick<Sending, 'paused'>,
): ShownSender {
  const paused = sending.paused().find(one => one.account === account && one.sender === page)?.reason;
  const sends = sealedToken !== undefined;
  return { page, isWatched, sends, changedAt: formatDateTime(changedAt), ...present({ name, price, paused }) };
}
