/** Settings of a connection, by their names. */
export type Settings = Readonly<Record<string, string>>;

/**
 * Every statement finds few rows by an index. A plan that reads whole partitions is a guess gone wrong, as the planner
 * makes them for partitions that were not analysed yet.
 */
export const planningSettings: Settings = {
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
};

/**
 * Pages are read in the order of an index until they are full. Planning that for every partition costs many times what
 * running it does, so plans are kept; made for values unknown, they need to be told that sorting is no way to go.
 */
export const readingSettings: Settings = {
  ...planningSettings,
  enable_bitmapscan: 'off',
  enable_sort: 'off',
  plan_cache_mode: 'force_generic_plan',
};
