import type { TSchema } from 'typebox';
import type { Violation } from '../../domain/message.ts';
import { checked } from '../../wire/checked.ts';
import { parseEmptyQuery } from '../../wire/query/filter-query.ts';
import { bodyTimes, readBody } from '../body/body.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { steeringBodies } from '../document/emulator-schemas.ts';
import { ApiError, invalid } from '../errors.ts';
import type { EmulatorControl } from '../parts.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

type Deps = Pick<ServerDeps, 'timeouts'> & { readonly emulator: EmulatorControl };

const bodyBytesMax = 16 * 1024;

const reads = ['clock', 'sent', 'destinations'];
const steers = Object.entries<TSchema>(steeringBodies);

/** `/emulator/…`: what steers a Meta that is played, for keys that are bound to nothing: it is the whole account's. */
export function emulatorRoutes(deps: Deps, closing: Closing): readonly Route[] {
  const route = (method: 'GET' | 'POST', action: string, schema?: TSchema): Route => ({
    method,
    path: `/emulator/${action}`,
    access: { scope: 'messenger:manage', budget: 'writes' },
    answer: async (call: Call) => {
      if (Object.keys(call.principal.binding).length > 0) throw new ApiError('E403');
      sound(parseEmptyQuery(rawQuery(call.request)));
      const body = schema && fitting(schema, await bodyOf(call, deps, closing));
      return told(await deps.emulator.handle(method, action, body, call.principal.account.id), call);
    },
  });
  return [...reads.map(action => route('GET', action)), ...steers.map(([action, body]) => route('POST', action, body))];
}

function told(answer: Awaited<ReturnType<EmulatorControl['handle']>>, { reply }: Call): string {
  if (answer === undefined || answer.status === 404) throw new ApiError('E404');
  const { status, body } = answer;
  if (status === 400) throw invalid(String(Reflect.get(body, 'property')), String(Reflect.get(body, 'violation')));
  reply.code(status);
  return JSON.stringify(body);
}

/** The body, when it is as the call takes it. */
function fitting(schema: TSchema, body: unknown): unknown {
  const violations: Violation[] = [];
  const found = checked(schema, body, '', violations);
  if (violations.length > 0) throw new ApiError('E400', { violations });
  return found;
}

async function bodyOf({ request, lost }: Call, { timeouts }: Deps, closing: Closing): Promise<unknown> {
  const text = (await readBody(request.raw, bodyBytesMax, bodyTimes(timeouts, closing.over, lost))).toString();
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('body', 'is not JSON');
  }
}
