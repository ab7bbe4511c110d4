import { afterAll, vi } from 'vitest';

/** The next file in this process finds the clock, the variables and every function as they are. */
afterAll(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
});
