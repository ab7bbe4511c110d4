import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withSum } from '../../src/store/embedded/log/log-file.ts';

type Fields = Readonly<Record<string, unknown>>;
type Name = 'log.json' | 'log.json.copy';

type Change = {
  readonly names?: readonly Name[];
  /** As this version writes it when absent; as versions did that knew no sums by `JSON.stringify`. */
  readonly write?: (fields: Fields) => string;
};

/** Changes what `log.json` and its copy hold in a folder, as a program would have written it. */
export function changeLogFields(dataDir: string, change: (fields: Fields) => Fields, how: Change = {}): void {
  const { names = ['log.json', 'log.json.copy'], write = withSum } = how;
  for (const path of names.map(name => join(dataDir, name))) {
    const { sum: _, ...fields }: Fields = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, write(change(fields)));
  }
}
