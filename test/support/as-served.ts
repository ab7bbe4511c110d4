/** What `bin/sentlog` starts a server with, so that a server need not begin anew for it. */

/** With it, the program starts itself in no other process on any Node: a signal goes to the server itself. */
export const sameProcess = ['--disable-warning=ExperimentalWarning'];

/** As in `bin/sentlog`: Node ends where V8 does not know an option. */
const growth = (percent: number) =>
  process.versions.node.startsWith('26.') ? [`--heap-growing-percent=${percent}`] : [];

/** Node's arguments. */
export const servedArgs = (carrier?: string): readonly string[] => [
  ...sameProcess,
  '--max-semi-space-size=8',
  ...growth(carrier === 'graph' ? 50 : 20),
];

export const servedEnv = {
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '4194304',
  MALLOC_ARENA_MAX: '2',
};
