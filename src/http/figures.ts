import { type StoreStats, StoreUnavailable } from '../store/store.ts';
import type { ServerDeps } from './deps.ts';

/** Whose figures `/metrics` tells. */
export type FiguresDeps = Pick<ServerDeps, 'store' | 'metrics' | 'mirrors' | 'sending' | 'heldSweep' | 'lostAccounts'>;

/** Has the metrics know what is so now. */
export async function tellFigures(deps: FiguresDeps): Promise<void> {
  const { store, metrics, mirrors, sending, heldSweep, lostAccounts } = deps;
  const [mirrorFigures, sendingFigures, held] = [mirrors?.figures(), await sending?.figures?.(), heldSweep?.()];
  metrics.tell(await statsIfAny(store), {
    ...(mirrorFigures !== undefined && { mirrors: mirrorFigures }),
    ...(sendingFigures !== undefined && { sending: sendingFigures }),
    ...(held !== undefined && { heldSweep: held }),
    lostAccounts: lostAccounts?.().length ?? 0,
  });
}

async function statsIfAny(store: ServerDeps['store']): Promise<StoreStats | undefined> {
  try {
    return await store.stats();
  } catch (error) {
    if (error instanceof StoreUnavailable) return undefined;
    throw error;
  }
}
