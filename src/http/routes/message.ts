import { isWithin } from '../../domain/filter.ts';
import { limits } from '../../limits.ts';
import { parseEmptyQuery } from '../../wire/query/filter-query.ts';
import { historyJson } from '../../wire/text/log-text.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

type Deps = Pick<ServerDeps, 'store' | 'clock' | 'retentionOf'>;

/** `GET /messenger/1/messages/{messageId}` */
export function messageRoute(deps: Deps): Route {
  return {
    method: 'GET',
    path: '/messenger/1/messages/:messageId',
    access: { scope: 'messenger:logs:read', budget: 'reads' },
    answer: (call: Call) => message(call, deps),
  };
}

async function message({ principal, request }: Call, { store, clock, retentionOf }: Deps): Promise<string> {
  sound(parseEmptyQuery(rawQuery(request)));
  const messageId = namedMessage(request.params);
  const { id } = principal.account;
  const history = await store.history(id, messageId, clock() - retentionOf(id));
  if (history === undefined || !isWithin(history.log, principal.binding)) throw new ApiError('E404');
  return historyJson(history);
}

/** An id that no message can have is not found, without asking the store. */
function namedMessage(params: unknown): string {
  const messageId = typeof params === 'object' && params !== null && 'messageId' in params ? params.messageId : '';
  if (typeof messageId !== 'string' || messageId === '' || messageId.length > 2 * limits.messageIdCharsMax)
    throw new ApiError('E404');
  if (/[\u0000-\u001f\u007f-\u009f]/.test(messageId)) throw new ApiError('E404');
  return messageId;
}
