import type { EpochMs } from '../domain/message.ts';
import type { Budget, Spent } from './rows.ts';

/** Requests by the second they were made in: `[second, requests, patient ones of them]`, oldest first. */
export type Slots = readonly (readonly [second: number, requests: number, patient: number])[];

const windowSeconds = 60;

/**
 * The slots that still count at a moment. A whole second counts until the last of its requests is a minute old, so no
 * minute, wherever it begins, has more than the budget. Where the clock was put back, what lies ahead counts as now.
 */
export function counting(slots: Slots, at: EpochMs): Slots {
  const now = Math.floor(at / 1000);
  const kept: [number, number, number][] = [];
  for (const [second, requests, patient] of slots) {
    const dated = Math.min(second, now);
    if (dated < now - windowSeconds) continue;
    const last = kept.at(-1);
    if (last?.[0] === dated) {
      last[1] += requests;
      last[2] += patient;
    } else kept.push([dated, requests, patient]);
  }
  return kept;
}

export function spentIn(slots: Slots, at: EpochMs): Spent {
  const within = counting(slots, at);
  return {
    requests: within.reduce((sum, [, requests]) => sum + requests, 0),
    patient: within.reduce((sum, [, , patient]) => sum + patient, 0),
  };
}

/** What can wait is spread: used up at once, it would leave nothing for what comes up in the rest of the minute. */
const spreadSeconds = 15;

export type Spending = {
  readonly slots: Slots;
  /** The time until there may be room; absent where the request is among the slots. */
  readonly fullForMs?: number;
};

/**
 * The slots with one more request, where there is room for it. They are to be kept in any case: what lay ahead, since the
 * clock was put back, would count as of now time and again.
 */
export function spending(slots: Slots, at: EpochMs, budget: Budget, isPatient: boolean): Spending {
  const within = counting(slots, at);
  const now = Math.floor(at / 1000);
  const fullUntil = [
    freeAt(within, budget.all, windowSeconds + 1, ([, requests]) => requests),
    ...(isPatient
      ? [
          freeAt(within, budget.patient, windowSeconds + 1, ([, , patient]) => patient),
          freeAt(
            within.filter(([second]) => second > now - spreadSeconds),
            Math.ceil((budget.patient * spreadSeconds) / windowSeconds),
            spreadSeconds,
            ([, , patient]) => patient,
          ),
        ]
      : []),
  ].flatMap(second => second ?? []);
  if (fullUntil.length > 0) return { slots: within, fullForMs: Math.max(50, Math.max(...fullUntil) * 1000 - at) };
  const one = isPatient ? 1 : 0;
  const last = within.at(-1);
  if (last?.[0] === now) return { slots: [...within.slice(0, -1), [now, last[1] + 1, last[2] + one]] };
  return { slots: [...within, [now, 1, one]] };
}

/** The second that the oldest of so many requests no longer counts in; `undefined` when there are fewer than `most`. */
function freeAt(
  slots: Slots,
  most: number,
  countsForSeconds: number,
  requestsOf: (slot: Slots[number]) => number,
): number | undefined {
  const counted = slots.filter(slot => requestsOf(slot) > 0);
  if (counted.reduce((sum, slot) => sum + requestsOf(slot), 0) < most) return undefined;
  return (counted[0]?.[0] ?? 0) + countsForSeconds;
}

export function writeSlots(slots: Slots): string {
  return slots.map(slot => slot.join(':')).join(' ');
}

export function readSlots(text: string): Slots {
  return text
    .split(' ')
    .filter(slot => slot !== '')
    .map(slot => {
      const [second = 0, requests = 0, patient = 0] = slot.split(':').map(Number);
      return [second, requests, patient];
    });
}
