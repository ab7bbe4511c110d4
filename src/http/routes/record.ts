import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { limits } from '../../limits.ts';
import { parseEmptyQuery } from '../../wire/filter-query.ts';
import { type BodyTimes, bodyPieces, bodyTimes, readBody } from '../body.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps, Timeouts } from '../deps.ts';
import { invalid, unavailable } from '../errors.ts';
import { recordTexts, syntaxFlaw } from '../json-records.ts';
import { LineSplitter } from '../lines.ts';
import { mediaType } from '../media-type.ts';
import { Recording } from '../recording.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

type Deps = Pick<ServerDeps, 'store' | 'clock' | 'retentionMs' | 'metrics' | 'timeouts'>;

/** JSON bodies held at once, over all requests: further ones are asked to come again. */
const heldBytesMax = 128 * 1024 * 1024;
const heldRetryMs = 2000;

/** Records checked before other requests get their turn. */
const turnRecords = 1000;

/** `POST /messenger/1/logs` */
export function recordRoute(deps: Deps, closing: Closing): Route {
  const held = new HeldBytes();
  return {
    method: 'POST',
    path: '/messenger/1/logs',
    access: { scope: 'messenger:logs:write', budget: 'writes' },
    answer: (call: Call) => record(call, deps, closing, held),
  };
}

async function record({ principal, request }: Call, deps: Deps, closing: Closing, held: HeldBytes): Promise<string> {
  sound(parseEmptyQuery(rawQuery(request)));
  const type = mediaType(request.headers['content-type'], [
    'application/json',
    'application/x-ndjson',
    'application/ndjson',
  ]);
  const recording = new Recording(deps, principal);
  try {
    if (type === 'application/json') await recordJson(request.raw, recording, bodyTimes(deps.timeouts, closing), held);
    else await recordLines(request.raw, recording, lineTimes(deps.timeouts, closing));
    return await recording.finish();
  } finally {
    await recording.settle();
    deps.metrics.records(recording.counts);
  }
}

/** Checked to its end before anything of it is recorded: a body that is not JSON leaves no trace. */
async function recordJson(request: IncomingMessage, recording: Recording, times: BodyTimes, held: HeldBytes) {
  const hold = held.holder();
  try {
    const bytes = await readBody(request, limits.jsonBodyBytesMax, times, hold.add);
    if (!isUtf8(bytes)) throw invalid('body', 'is not UTF-8');
    const body = bytes.toString();
    await checkRecords(body);
    for (const record of recordTexts(body, limits.ndjsonLineBytesMax)) {
      if (!recording.add(record)) continue;
      await recording.flush();
      await setImmediate();
    }
    await recording.flush();
  } finally {
    hold.release();
  }
}

async function checkRecords(body: string): Promise<void> {
  let index = 0;
  for (const { text } of recordTexts(body, limits.ndjsonLineBytesMax)) {
    const flaw = text === undefined ? undefined : syntaxFlaw(text);
    if (flaw !== undefined) throw invalid(`results[${index}]`, flaw);
    if (++index % turnRecords === 0) await setImmediate();
  }
}

/** Recorded as it comes. The next piece is only taken from the connection when the store has kept up. */
async function recordLines(request: IncomingMessage, recording: Recording, times: BodyTimes) {
  const lines = new LineSplitter(limits.ndjsonLineBytesMax);
  for await (const piece of bodyPieces(request, times)) {
    if (piece === undefined) await recording.flush();
    else for (const line of lines.push(piece)) if (recording.add(line)) await recording.flush();
  }
  for (const line of lines.end()) recording.add(line);
}

function lineTimes({ bodyIdleMs, streamPauseMs }: Timeouts, closing: Closing): BodyTimes {
  return { idleMs: bodyIdleMs, pauseMs: streamPauseMs, cut: closing.over };
}

class HeldBytes {
  #bytes = 0;

  holder(): { add: (bytes: number) => void; release: () => void } {
    let held = 0;
    return {
      add: bytes => {
        if (this.#bytes + bytes > heldBytesMax) throw unavailable(heldRetryMs);
        this.#bytes += bytes;
        held += bytes;
      },
      release: () => {
        this.#bytes -= held;
      },
    };
  }
}
