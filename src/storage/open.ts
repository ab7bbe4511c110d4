import type { Config } from '../config.ts';
import type { StoreObserver } from '../store/store.ts';
import type { Storage } from './storage.ts';

/**
 * Rejects with `Unavailable` when a database cannot be reached now, with `Unusable` when the place cannot be used. Only the
 * one kind is loaded: the other is a tenth of what a start takes.
 */
export async function openStorage(config: Config, observer: StoreObserver): Promise<Storage> {
  if (config.store === undefined) {
    const { openFolder } = await import('./folder.ts');
    return openFolder(config, observer);
  }
  const { openDatabase } = await import('./database.ts');
  return openDatabase(config, config.store, observer);
}
