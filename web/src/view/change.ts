import type { Summary } from '../../../src/client/index.ts';

/** How much more or less something is than it was: `+12 %`; `undefined` when that is not known, or says nothing. */
export function changeText(
  now: number | undefined,
  before: number | undefined,
  form: 'words' | 'short' = 'words',
): string | undefined {
  if (now === undefined || before === undefined || before === 0) return undefined;
  const percent = ((now - before) / before) * 100;
  if (percent === 0) return 'the same';
  const size = Math.abs(percent);
  // Ten times as much is easier to take in than +900 %.
  const times = String(Number((now / before).toPrecision(2)));
  if (now >= 4 * before) return form === 'short' ? `× ${times}` : `${times} times as many`;
  if (size < 0.1) return `less than 0.1 % ${percent > 0 ? 'more' : 'less'}`;
  // What is left of very many is not nothing.
  const rounded = size < 9.95 ? size.toFixed(1) : now > 0 && percent < -99 ? 99 : Math.round(size);
  return `${percent > 0 ? '+' : '−'}${rounded} %`;
}

/** Whether more or less than before can be told: not where messages of either time may be missing. */
export function isComparable({ gaps, compared }: Summary): boolean {
  return gaps === undefined && compared?.complete === true;
}
