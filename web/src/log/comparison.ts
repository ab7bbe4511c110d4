import { SentlogError } from '../../../src/client/index.ts';
import type { View } from '../view/view.ts';
import { isZone, zoneName } from '../view/zone.ts';

/** What figures are compared with, and the zone by whose clock bars are hours and a day before is one. */
export type AskedComparison = { readonly compare?: NonNullable<View['compare']>; readonly timeZone?: string };

/** By the clock that times are shown by. */
export function comparisonOf({ compare, zone }: Pick<View, 'compare' | 'zone'>): AskedComparison {
  const timeZone = zoneName(zone);
  return { ...(compare !== undefined && { compare }), ...(isZone(timeZone) && { timeZone }) };
}

/**
 * Asks by the clock of the zone, and without it where the server does not know that zone: browsers hear of new names before
 * servers do, and figures whose days are those of UTC are better than none.
 */
export async function askedByClock<T>(
  comparison: AskedComparison,
  ask: (comparison: AskedComparison) => Promise<T>,
): Promise<T> {
  try {
    return await ask(comparison);
  } catch (error) {
    if (comparison.timeZone === undefined || !refusesZone(error)) throw error;
    const { timeZone: _unknown, ...others } = comparison;
    return ask(others);
  }
}

function refusesZone(error: unknown): boolean {
  return (
    error instanceof SentlogError &&
    error.status === 400 &&
    error.violations.some(({ property }) => property === 'timeZone')
  );
}
