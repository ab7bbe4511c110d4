/** A figure over its trials: the median and its whole range. */
export type Spread = {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
  readonly trials: number;
};

/** `values` is not empty. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    least: quantile(sorted, 0),
    greatest: quantile(sorted, 1),
    trials: sorted.length,
  };
}

/** The quantile of sorted values, between the two nearest of them. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) throw new RangeError('no values to take a quantile of');
  return below + (above - below) * (place - Math.floor(place));
}

export type Latencies = { readonly count: number; readonly p50: number; readonly p99: number; readonly max: number };

/** Of at least one value. */
export function latencies(values: readonly number[]): Latencies {
  const sorted = Float64Array.from(values).sort();
  return {
    count: sorted.length,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  };
}

/** Ratios of the same rounds, so that what slowed a whole round down drops out; of medians when rounds differ. */
export function ratio(numerators: readonly number[], denominators: readonly number[]): Spread {
  if (numerators.length !== denominators.length)
    return spread([spread(numerators).median / spread(denominators).median]);
  return spread(numerators.map((value, round) => value / (denominators[round] ?? Number.NaN)));
}
