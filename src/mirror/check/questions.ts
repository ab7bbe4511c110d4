import type { EpochMs } from '../../domain/message.ts';
import { statusGroupNames } from '../../domain/registry.ts';
import { limits } from '../../limits.ts';
import { formatDateTime, parseDateTime } from '../../wire/date-time.ts';
import { isPlainObject } from '../../wire/record-flaws.ts';
import { writtenId } from '../statuses.ts';
import type { AnsweredLog, Asked } from './log-client.ts';

/** Values of each field that questions are made of. */
const valuesMax = 8;

/** Values that messages have, a few of each field, as they pass by: of the first ones and of later ones. */
export class Sample {
  readonly #values = new Map<string, string[]>();
  #seen = 0;

  add(log: AnsweredLog): void {
    this.#seen++;
    const platform = isPlainObject(log.platform) ? log.platform : {};
    for (const [name, value] of Object.entries({ ...log, ...platform })) {
      if (typeof value !== 'string' || !sampled.has(name)) continue;
      const values = this.#values.get(name) ?? [];
      this.#values.set(name, values);
      if (values.includes(value)) continue;
      if (values.length < valuesMax) values.push(value);
      // Rarer and rarer, so that those that stay are spread over all.
      else if ((this.#seen & (this.#seen - 1)) === 0) values[this.#seen % valuesMax] = value;
    }
  }

  of(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}

const single = ['sender', 'destination', 'entityId', 'applicationId'] as const;
const lists = ['bulkId', 'messageId', 'campaignReferenceId'] as const;
const sampled: ReadonlySet<string> = new Set([...single, ...lists, 'sentAt']);

/** One question for every filter, for lists, for ranges down to a millisecond, and for some of them together. */
export function questionsFrom(sample: Sample, from: EpochMs, until: EpochMs): readonly Asked[] {
  const range = { sentSince: formatDateTime(from), sentUntil: formatDateTime(until) };
  const asked: Asked[] = [
    ...single.flatMap(name =>
      sample
        .of(name)
        .slice(0, 1)
        .map(value => ({ ...range, [name]: value })),
    ),
    ...lists.flatMap(name => {
      const values = sample.of(name);
      return values.length === 0 ? [] : [{ ...range, [name]: values.map(writtenId).join(',') }];
    }),
    ...statusGroupNames.map(generalStatus => ({ ...range, generalStatus })),
    ...sample
      .of('sentAt')
      .slice(0, 3)
      .flatMap(at => aroundOf(at, from, until)),
  ];
  const [sender, destination] = [sample.of('sender')[0], sample.of('destination')[0]];
  if (sender !== undefined && destination !== undefined)
    asked.push({ ...range, sender, destination }, { ...range, sender, generalStatus: 'DELIVERED' });
  return asked.map(one => ({ limit: String(limits.pageLogsMax), ...one }));
}

/** The millisecond of a message alone, and what lies before and behind it. */
function aroundOf(sentAt: string, from: EpochMs, until: EpochMs): readonly Asked[] {
  const at = parseDateTime(sentAt);
  if (at === undefined || at < from || at >= until) return [];
  const ranges = [
    [at, at + 1],
    [Math.max(from, at - 60_000), at],
    [at, Math.min(until, at + 60_000)],
  ] as const;
  return ranges.map(([since, before]) => ({ sentSince: formatDateTime(since), sentUntil: formatDateTime(before) }));
}
