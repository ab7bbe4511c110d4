import { parseEmptyQuery } from '../../wire/filter-query.ts';
import { bodyTimes, readBody } from '../body.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError, invalid } from '../errors.ts';
import type { EmulatorControl } from '../parts.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

type Deps = Pick<ServerDeps, 'timeouts'> & { readonly emulator: EmulatorControl };

const bodyBytesMax = 16 * 1024;

/** `/emulator/…`: what steers a Meta that is played. */
export function emulatorRoutes(deps: Deps, closing: Closing): readonly Route[] {
  return (['GET', 'POST'] as const).map(method => ({
    method,
    path: '/emulator/:action',
    access: { scope: 'messenger:manage', budget: 'writes' },
    answer: (call: Call) => steer(method, call, deps, closing),
  }));
}

async function steer(method: 'GET' | 'POST', call: Call, deps: Deps, closing: Closing): Promise<string> {
  const { principal, request, reply } = call;
  sound(parseEmptyQuery(rawQuery(request)));
  const body = method === 'GET' ? undefined : await bodyOf(call, deps, closing);
  const { params } = request;
  const action = typeof params === 'object' && params !== null ? String(Reflect.get(params, 'action')) : '';
  const answer = await deps.emulator.handle(method, action, body, principal.account.id);
  if (answer === undefined || answer.status === 404) throw new ApiError('E404');
  const { status, body: told } = answer;
  if (status === 400) throw invalid(String(Reflect.get(told, 'property')), String(Reflect.get(told, 'violation')));
  reply.code(status);
  return JSON.stringify(told);
}

async function bodyOf({ request }: Call, { timeouts }: Deps, closing: Closing): Promise<unknown> {
  const text = (await readBody(request.raw, bodyBytesMax, bodyTimes(timeouts, closing.over))).toString();
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('body', 'is not JSON');
  }
}
