import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** The version of this program. */
export function programVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  assert(typeof manifest === 'object' && manifest !== null && 'version' in manifest);
  return String(manifest.version);
}
