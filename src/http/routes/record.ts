import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { limits } from '../../limits.ts';
import { parsedChars } from '../../wire/json-source.ts';
import { parseEmptyQuery } from '../../wire/query/filter-query.ts';
import { type BodyTimes, bodyPieces, bodyTimes, readBody } from '../body/body.ts';
import type { EventLoop, Stretch } from '../body/event-loop.ts';
import type { HeldBytes } from '../body/held-bytes.ts';
import { jsonIn } from '../body/json-outline.ts';
import { recordTexts } from '../body/json-records.ts';
import { type Line, LineSplitter } from '../body/lines.ts';
import { mediaType } from '../body/media-type.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError, invalid } from '../errors.ts';
import type { Timeouts } from '../parts.ts';
import { Recording } from '../recording/recording.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

/** What all calls share. */
type Shared = {
  readonly closing: Closing;
  readonly loop: EventLoop;
  readonly held: HeldBytes;
};
type Deps = Pick<ServerDeps, 'store' | 'clock' | 'retentionOf' | 'metrics' | 'timeouts' | 'content'>;

/** Of a body up to this what was parsed to check it is kept and recorded; of a longer one it would take many times its text. */
const keptCharsMax = 16 * 1024;

/** `POST /messenger/1/logs` */
export function recordRoute(deps: Deps, shared: Shared): Route {
  return {
    method: 'POST',
    path: '/messenger/1/logs',
    access: { scope: 'messenger:logs:write', budget: 'writes' },
    answer: (call: Call) => record(call, deps, shared),
  };
}

async function record(
  { principal, request, lost }: Call,
  deps: Deps,
  { closing, loop, held }: Shared,
): Promise<string> {
  sound(parseEmptyQuery(rawQuery(request)));
  const type = mediaType(request.headers['content-type'], [
    'application/json',
    'application/x-ndjson',
    'application/ndjson',
  ]);
  const cuts = [closing.over, lost];
  const recording = new Recording(deps, principal, lost);
  try {
    const stretch = loop.stretch();
    if (type === 'application/json')
      await recordJson(request.raw, recording, stretch, bodyTimes(deps.timeouts, ...cuts), held);
    else await recordLines(request.raw, recording, stretch, lineTimes(deps.timeouts, cuts));
    return await recording.finish();
  } catch (error) {
    await recording.settle();
    if (error !== lost.reason || !(error instanceof ApiError)) throw error;
    throw new ApiError(error.code, { violations: [recording.ended()], headers: error.headers });
  } finally {
    await recording.settle();
    deps.metrics.records(recording.counts);
    deps.metrics.unregistered(recording.unregistered);
    deps.metrics.flawedContents(recording.flawed);
  }
}

/** Checked to its end before anything of it is recorded: a body that is not JSON leaves no trace. */
async function recordJson(
  request: IncomingMessage,
  recording: Recording,
  stretch: Stretch,
  times: BodyTimes,
  held: HeldBytes,
): Promise<void> {
  const hold = held.holder();
  try {
    const bytes = await readBody(
      request,
      limits.jsonBodyBytesMax,
      times,
      hold.add,
      '; application/x-ndjson has no bound',
    );
    if (!isUtf8(bytes)) throw invalid('body', 'is not UTF-8');
    const body = bytes.toString();
    const checked = await checkRecords(body, stretch);
    for (const record of checked ?? recordTexts(body, limits.ndjsonLineBytesMax)) {
      const pause = typeof record === 'number' ? stretch.spend(record) : take(record, recording, stretch);
      if (pause !== undefined) await pause;
    }
    await recording.flush();
  } finally {
    hold.release();
  }
}

/** Gives what was parsed, unless that is more than may be kept until it is recorded. */
async function checkRecords(body: string, stretch: Stretch): Promise<readonly Line[] | undefined> {
  const isKept = body.length <= keptCharsMax;
  const kept: Line[] = [];
  let index = 0;
  for (const line of recordTexts(body, limits.ndjsonLineBytesMax)) {
    if (typeof line === 'number') {
      await stretch.spend(line);
      continue;
    }
    const { value, flaw } = line.text === undefined ? {} : jsonIn(line.text);
    if (flaw !== undefined) throw invalid(`results[${index}]`, flaw);
    index++;
    if (isKept) kept.push(line.text === undefined ? line : { text: line.text, value });
    const pause = stretch.spend(parsedChars(line.text ?? ''));
    if (pause !== undefined) await pause;
  }
  return isKept ? kept : undefined;
}

/** Recorded as it comes. The next piece is only taken from the connection when the store has kept up. */
async function recordLines(
  request: IncomingMessage,
  recording: Recording,
  stretch: Stretch,
  times: BodyTimes,
): Promise<void> {
  const lines = new LineSplitter(limits.ndjsonLineBytesMax);
  for await (const piece of bodyPieces(request, times)) {
    if (piece === undefined) await recording.flush();
    else
      for (const line of lines.push(piece)) {
        const pause = typeof line === 'number' ? stretch.spend(line) : take(line, recording, stretch);
        if (pause !== undefined) await pause;
      }
  }
  for (const line of lines.end()) if (typeof line !== 'number') await take(line, recording, stretch);
}

/** What to wait for before the next record; nothing, for most of them. */
function take(line: Line, recording: Recording, stretch: Stretch): Promise<void> | undefined {
  const isFull = recording.add(line);
  const pause = stretch.spend(parsedChars(line.text ?? ''));
  return isFull ? recording.flush().then(() => pause) : pause;
}

function lineTimes({ bodyIdleMs, streamPauseMs }: Timeouts, cuts: readonly AbortSignal[]): BodyTimes {
  return { idleMs: bodyIdleMs, pauseMs: streamPauseMs, cuts };
}
