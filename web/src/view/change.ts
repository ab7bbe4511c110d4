/** How much more or less something is than it was: `+12 %`; `undefined` when that is not known, or says nothing. */
export function changeText(now: number | undefined, before: number | undefined): string | undefined {
  if (now === undefined || before === undefined || before === 0) return undefined;
  const percent = ((now - before) / before) * 100;
  if (percent === 0) return 'the same';
  const size = Math.abs(percent);
  // Ten times as much is easier to take in than +900 %.
  if (now >= 4 * before) return `${Number((now / before).toPrecision(2))} times as many`;
  return `${percent > 0 ? '+' : '−'}${size < 10 ? size.toFixed(1) : Math.round(size)} %`;
}
