import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, matchesGlob, relative } from 'node:path';
import { parseSync } from 'vite';
import { describe, expect, test } from 'vitest';

const root = dirname(import.meta.dirname);
const fileLinesMax = 400;
const readmeLinesMax = 120;

/** The rooms of `src` from the ground up: a room imports from itself and from lower floors, never from its own floor. */
const floors: readonly (readonly string[])[] = [
  [
    'limits.ts',
    'descriptors.ts',
    'failures.ts',
    'log-output.ts',
    'networks.ts',
    'node-http.ts',
    'setting-kinds.ts',
    'threads.ts',
    'tracing.ts',
    'version.ts',
  ],
  ['opened-file.ts', 'slices.ts', 'turns.ts', 'under-way.ts'],
  [
    'domain',
    'secrets.ts',
    'mirror-settings.ts',
    'database-settings.ts',
    'recording-settings.ts',
    'sending-settings.ts',
  ],
  ['wire', 'config.ts', 'postgres'],
  ['store', 'accounts', 'graph', 'outbox'],
  ['simulator', 'mirror', 'senders', 'sweeper.ts'],
  ['http', 'sender'],
  ['storage', 'telemetry'],
  ['sending.ts', 'announcement.ts'],
  ['main.ts'],
  ['cli'],
];
/** What lies in the larger rooms, likewise. */
const roomFloors: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'src/store/embedded': [
    ['files'],
    ['rows'],
    ['segment'],
    ['damage'],
    ['log'],
    ['threads'],
    ['search'],
    ['record', 'feed', 'summary', 'offline'],
    ['read', 'upkeep', 'options.ts'],
    ['engine.ts'],
  ],
  'src/store/postgres': [
    ['schema'],
    ['rows'],
    ['server'],
    ['replica'],
    ['log'],
    ['sealed'],
    ['layout', 'search'],
    ['summary', 'feed'],
    ['record'],
    ['read', 'copy', 'upkeep', 'options.ts'],
    ['engine.ts'],
  ],
  'src/http': [
    ['errors.ts', 'closing.ts', 'connections.ts', 'seal.ts', 'parts.ts', 'request-id.ts'],
    ['cursor.ts', 'caller.ts', 'rate-limit', 'page', 'document', 'body'],
    ['metrics'],
    ['deps.ts'],
    ['admission', 'figures.ts', 'recording'],
    ['route.ts'],
    ['answer', 'stream'],
    ['methods.ts', 'routes', 'traced-requests.ts'],
    ['management'],
    ['server.ts'],
  ],
  'src/wire': [
    ['date-time.ts', 'nearest.ts', 'parsed.ts', 'present.ts', 'json-source.ts', 'schema-check.ts'],
    ['log-schemas.ts', 'content-text.ts'],
    ['record-flaws.ts'],
    ['checked.ts'],
    ['send', 'query', 'text'],
    ['record'],
  ],
  'src/cli': [
    ['terminal.ts'],
    ['style.ts'],
    ['flags.ts', 'table.ts', 'password.ts', 'progress.ts', 'backup', 'input'],
    ['client.ts', 'simulator-flags.ts', 'place'],
    ['commands'],
    ['main.ts'],
  ],
};
const dividedRooms = Object.entries(roomFloors);
const folderFilesMax = 25;

/** The client goes into other people's programs and browsers: it takes types along, and of code what imports nothing. */
const clientTypesFrom = ['domain', 'wire'];
const clientCodeFrom = ['src/wire/query/list-text.ts', 'src/domain/filter-fields.ts', 'src/domain/wall-clock.ts'];

/** Tables that read as tables: the formatter may not touch them, the linter may. */
const tables = ['src/domain/registry-codes.ts', 'src/config.ts', 'src/graph/error-codes.ts'];

const ignored = readFileSync(join(root, '.gitignore'), 'utf8')
  .split('\n')
  .filter(line => line !== '')
  .map(line => line.replace(/\/$/, ''));

const isIgnored = (name: string) => ignored.some(pattern => matchesGlob(name, pattern));

function filesUnder(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.name === '.git' || isIgnored(entry.name)) return [];
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

const files = filesUnder('.').filter(file => /\.(ts|tsx|mjs|js|json|md|html|css|ya?ml)$|^(bin|\.ci)\/|rc$/.test(file));
const code = files.filter(file => /\.(ts|tsx|mjs|js)$|^bin\/[^.]+$/.test(file));
const docs = files.filter(file => file.endsWith('.md'));

const textOf = (file: string) => readFileSync(join(root, file), 'utf8');
const linesOf = (text: string) => text.replace(/\n$/, '').split('\n').length;

const lineAt = (text: string, offset: number) => text.slice(0, offset).split('\n').length;

type Finding = { readonly file: string; readonly line: number; readonly what: string };
const shown = (findings: readonly Finding[]) => findings.map(({ file, line, what }) => `${file}:${line} ${what}`);

/** Every match of a pattern in the files, but for the files where it may stand. */
function matches(among: readonly string[], pattern: RegExp, allowedIn: readonly string[] = []): readonly string[] {
  const found = among
    .filter(file => !allowedIn.includes(file))
    .flatMap(file =>
      textOf(file)
        .split('\n')
        .flatMap((text, index) => (pattern.test(text) ? [{ file, line: index + 1, what: text.trim() }] : [])),
    );
  return shown(found);
}

type Node = { readonly type: string; readonly start: number; readonly end: number };

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value && 'end' in value;
}

/** Every node of a syntax tree. */
function* nodes(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const one of value) yield* nodes(one);
  else if (typeof value === 'object' && value !== null) {
    if (isNode(value)) yield value;
    for (const child of Object.values(value)) if (typeof child === 'object') yield* nodes(child);
  }
}

function syntaxTree(file: string) {
  const { program, errors } = parseSync(file.startsWith('bin/') ? 'bin.js' : file, textOf(file));
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]?.message}`);
  return program;
}

type Import = { readonly file: string; readonly line: number; readonly from: string; readonly typeOnly: boolean };

const known = new Map<string, readonly Import[]>();

function importsOf(file: string): readonly Import[] {
  const imports = known.get(file) ?? readImports(file);
  known.set(file, imports);
  return imports;
}

function readImports(file: string): readonly Import[] {
  const text = textOf(file);
  const found: Import[] = [];
  for (const node of nodes(syntaxTree(file))) {
    if (!('source' in node) || !isNode(node.source) || !('value' in node.source)) continue;
    const kinds = [
      'importKind' in node ? node.importKind : undefined,
      'exportKind' in node ? node.exportKind : undefined,
    ];
    found.push({
      file,
      line: lineAt(text, node.start),
      from: String(node.source.value),
      typeOnly: kinds.includes('type'),
    });
  }
  return found;
}

const roomOf = (path: string, under = 'src') => relative(under, path).split('/')[0] ?? '';
const floorOf = (room: string, of = floors) => of.findIndex(rooms => rooms.includes(room));

function layerFault({ file, from, typeOnly }: Import): string | undefined {
  const room = roomOf(file);
  if (!from.startsWith('.')) {
    return room === 'client' && !typeOnly ? `imports ${from}: the client runs in browsers, on nothing else` : undefined;
  }
  const target = roomOf(join(dirname(file), from));
  if (target === room) return undefined;
  if (room === 'client') {
    if (clientCodeFrom.includes(join(dirname(file), from))) return undefined;
    return typeOnly && clientTypesFrom.includes(target) ? undefined : `takes more than types along from ${target}`;
  }
  if (target === 'client') return room === 'cli' ? undefined : 'imports the client';
  if (floorOf(room) === -1 || floorOf(target) === -1) return `${room} or ${target} is not in the list of rooms`;
  return floorOf(target) < floorOf(room) ? undefined : `${room} imports upward or sideways from ${target}`;
}

/** As `layerFault`, between the folders of a room. */
function folderFault({ file, from }: Import, room: string, folders: readonly (readonly string[])[]) {
  const target = join(dirname(file), from);
  if (!from.startsWith('.') || !target.startsWith(`${room}/`)) return undefined;
  const [folder, other] = [roomOf(file, room), roomOf(target, room)];
  if (folder === other) return undefined;
  const [floor, below] = [floorOf(folder, folders), floorOf(other, folders)];
  if (floor === -1 || below === -1) return `${folder} or ${other} is not in the list of folders`;
  return below < floor ? undefined : `${folder} imports upward or sideways from ${other}`;
}

/** The files of `src` on some circle of imports, types included. */
function inCircles(among: readonly string[]): readonly string[] {
  const left = new Map(
    among.map(file => [file, importsOf(file).map(({ from }) => join(dirname(file), from))] as const),
  );
  for (let before = -1; before !== left.size; ) {
    before = left.size;
    for (const [file, targets] of left) if (!targets.some(target => left.has(target))) left.delete(file);
  }
  return [...left.keys()];
}

describe('source', () => {
  test('every import in src → points downward', () => {
    const faults = code
      .filter(file => file.startsWith('src/'))
      .flatMap(importsOf)
      .flatMap(one => ({ ...one, what: layerFault(one) ?? '' }))
      .filter(one => one.what !== '');
    expect(shown(faults)).toEqual([]);
  });

  test('what the client takes of code → imports types alone', () => {
    const faults = clientCodeFrom.flatMap(importsOf).filter(({ typeOnly }) => !typeOnly);
    expect(shown(faults.map(one => ({ ...one, what: `imports ${one.from}` })))).toEqual([]);
  });

  test('the block module → imports no engine', () => {
    const imports = code.filter(file => file.startsWith('src/store/block/')).flatMap(importsOf);
    const targets = imports.map(one => ({ ...one, what: join(dirname(one.file), one.from) }));
    const others = targets.filter(({ from, what }) => from.startsWith('.') && /^src\/store\/(?!block\/)/.test(what));
    expect(shown(others)).toEqual([]);
  });

  test.each(dividedRooms)('every import in %s → points downward too', (room, folders) => {
    const own = code.filter(file => file.startsWith(`${room}/`));
    const faults = own
      .flatMap(importsOf)
      .map(one => ({ ...one, what: folderFault(one, room, folders) ?? '' }))
      .filter(one => one.what !== '');
    expect(shown(faults)).toEqual([]);
  });

  test('no file of src → on a circle of imports', () => {
    expect(inCircles(code.filter(file => file.startsWith('src/')))).toEqual([]);
  });

  test(`every folder of a divided room → at most ${folderFilesMax} files`, () => {
    const counts = new Map<string, number>();
    for (const file of code.filter(one => dividedRooms.some(([room]) => one.startsWith(`${room}/`))))
      counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
    expect([...counts].filter(([, count]) => count > folderFilesMax)).toEqual([]);
  });

  test(`every file → at most ${fileLinesMax} lines`, () => {
    const tooLong = code.filter(file => linesOf(textOf(file)) > fileLinesMax);
    expect(tooLong).toEqual([]);
  });

  test('the compiler → is silenced nowhere', () => {
    expect(matches(code, /@ts-(?:ignore|expect-error|nocheck)/)).toEqual([]);
  });

  test('what finds files by where it is → lies at the root of src, as all files of a bundle do', () => {
    const deeper = files.filter(file => /^src\/.*\//.test(file) && file.endsWith('.ts'));
    expect(matches(deeper, /\bimport\.meta\b/)).toEqual([]);
  });

  test('the linter → is silenced nowhere but on the layout of the code tables', () => {
    expect(matches(code, /eslint-(?:disable|enable)|(?:biome)-ignore/, tables)).toEqual([]);
    expect(matches(tables, /(?:biome)-ignore(?! format:)/)).toEqual([]);
  });

  test('nothing → is left for later', () => {
    expect(matches(files, /\b(?:TO[D]O|FIX[M]E|HAC[K]|XX[X])\b/)).toEqual([]);
  });

  test('every test → runs', () => {
    expect(matches(code, /\b(?:describe|suite|test|it|bench)(?:\.\w+)*\.(?:only|skip|todo)\b/)).toEqual([]);
  });
});

describe('the project stands alone', () => {
  test('no file → names a path of one machine', () => {
    expect(matches(files, /(?<![\w.:/-])\/(?:home|root|work|Users)\/|(?:\.\.)\/shared/)).toEqual([]);
  });

  test('no file → names a package registry', () => {
    expect(matches(files, /registry\.(?:npmjs|npmmirror|yarnpkg)\.|npm\.pkg\.|"resolved": *"http/)).toEqual([]);
  });
});

describe('documents', () => {
  test(`README.md → at most ${readmeLinesMax} lines`, () => {
    expect(linesOf(textOf('README.md'))).toBeLessThanOrEqual(readmeLinesMax);
  });

  test('every dependency → has its one line in ARCHITECTURE.md, and no other has', () => {
    const manifest: Readonly<Record<string, unknown>> = JSON.parse(textOf('package.json'));
    const used = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']
      .flatMap(kind => Object.keys(manifest[kind] ?? {}))
      .sort();
    const section = /^## Dependencies\n(.*?)(?=^## |$(?![\s\S]))/ms.exec(textOf('ARCHITECTURE.md'))?.[1] ?? '';
    const explained = [...section.matchAll(/^- `([^`]+)`: \S/gm)].map(match => match[1] ?? '').sort();
    expect(explained).toEqual(used);
  });

  test('every relative link → leads somewhere', () => {
    const broken = docs.flatMap(file =>
      [...textOf(file).matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)/g)]
        .filter(([, path, anchor]) => !leads(path === '' ? file : join(dirname(file), path ?? ''), anchor))
        .map(([link]) => `${file} ${link}`),
    );
    expect(broken).toEqual([]);
  });

  test('every file that is named → is there, but for what is built', () => {
    const missing = docs.flatMap(file =>
      [...textOf(file).matchAll(/`((?:src|test|scripts|bench|bin|docs|web|\.ci)\/[^`\s]*)`/g)]
        .filter(([, path = '']) => !existsSync(join(root, path)) && !path.split('/').some(isIgnored))
        .map(([name]) => `${file} ${name}`),
    );
    expect(missing).toEqual([]);
  });
});

function leads(target: string, anchor: string | undefined): boolean {
  if (!existsSync(join(root, target))) return false;
  if (anchor === undefined || !basename(target).endsWith('.md')) return true;
  const headings = [...textOf(target).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    (heading ?? '')
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
  return headings.includes(anchor);
}
