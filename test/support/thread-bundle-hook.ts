/** Each thread loads this before its entry, by `--import`: the entry is then that of the bundle. */
import { registerHooks } from 'node:module';
import { basename } from 'node:path';

const bundle = process.env.THREAD_BUNDLE;
const sources = new URL('../../src/', import.meta.url).href;

if (bundle !== undefined)
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      if (!found.url.startsWith(sources) || !found.url.endsWith('-thread.ts')) return found;
      return { ...found, url: `${bundle}${basename(found.url, '.ts')}.js`, format: 'module' };
    },
  });
