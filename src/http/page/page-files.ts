import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

/** Encodings that the build leaves beside a file, the smallest first, and the endings it gives them. */
const encodings = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

export type Encoding = (typeof encodings)[number][0];

/** One form of a file, and the tag that tells it from every other. */
export type PageForm = { readonly encoding?: Encoding; readonly bytes: Buffer; readonly tag: string };

export type PageFile = {
  readonly type: string;
  /** Its name changes with its content, so whoever has it need never ask again. */
  readonly hashed: boolean;
  /** The encoded ones first, the file as it is last. */
  readonly forms: readonly PageForm[];
};

/** The built page by the paths it is served at. */
export type PageFiles = ReadonlyMap<string, PageFile>;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * Reads the page out of the folder it was built into; `undefined` when there is none. It is held in memory, some hundred
 * kilobytes: a page that is built anew under a running server cannot come in halves, and no path leads to a file that
 * is not in the list.
 */
export function readPage(folder: string): PageFiles | undefined {
  const names = namesIn(folder);
  if (!names.includes('index.html')) return undefined;
  const assets = namesIn(join(folder, 'assets')).map(name => `assets/${name}`);
  const files = new Map<string, PageFile>();
  for (const name of [...names, ...assets]) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const path = name === 'index.html' ? '/' : `/${name}`;
    files.set(path, { type, hashed: assets.includes(name), forms: formsOf(folder, name, [...names, ...assets]) });
  }
  return files;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

function formsOf(folder: string, name: string, names: readonly string[]): readonly PageForm[] {
  const bytes = readFileSync(join(folder, name));
  const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  const encoded = encodings
    .filter(([, ending]) => names.includes(name + ending))
    .map(([encoding, ending]) => ({
      encoding,
      bytes: readFileSync(join(folder, name + ending)),
      tag: `"${hash}-${encoding}"`,
    }));
  return [...encoded, { bytes, tag: `"${hash}"` }];
}
