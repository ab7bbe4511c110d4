/** Makes `dist`: the program bundled into few files, which start in two thirds of the CPU that a thousand take. */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build, type Rolldown } from 'vite';

const root = dirname(import.meta.dirname);

/** What the program's threads begin with. */
export const threads: readonly string[] = globSync('src/**/*-thread.ts', { cwd: root });

/** All that Node is told to run: the name of its file in a bundle, and its source. */
export const program: Readonly<Record<string, string>> = {
  sentlog: 'src/cli/main.ts',
  ...named(threads),
};

export function named(sources: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(sources.map(source => [basename(source, '.ts'), source]));
}

/**
 * A source with one character beyond Latin-1 takes two bytes of memory for each, in every thread that loads it: of the
 * largest file 2 MB. Columns of the lines that have one are told a little off in stacks.
 */
function asAscii(file: Rolldown.OutputChunk | Rolldown.OutputAsset): void {
  if (file.type !== 'chunk') return;
  if (/String\.raw`[^`]*[\u0080-\uffff]|\\[\u0080-\uffff]/.test(file.code))
    throw new Error(`${file.fileName} has a raw text beyond ASCII, or a backslash before a character of one`);
  file.code = file.code.replace(/[\u0080-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** What few servers load, and those by packages of their own that must find the same: they stay where they are installed. */
function telemetryPackages(): string[] {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.keys(dependencies).filter(name => /^@opentelemetry\/(?!api$)/.test(name));
}

/**
 * Bundles the entries and all that they import, packages too: a server loads some four hundred of their files, which took
 * a sixth of the CPU of its start. All files of a bundle lie beside each other, as those do at the root of `src`, which
 * alone may find others by where they are.
 */
export async function bundle(entries: Readonly<Record<string, string>>, folder: string): Promise<void> {
  await build({
    configFile: false,
    root,
    logLevel: 'warn',
    publicDir: false,
    ssr: { noExternal: true, external: telemetryPackages() },
    plugins: [{ name: 'ascii', generateBundle: (_, files) => Object.values(files).forEach(asAscii) }],
    build: {
      ssr: true,
      outDir: folder,
      emptyOutDir: true,
      minify: false,
      sourcemap: true,
      target: 'esnext',
      license: { fileName: 'licenses.md' },
      rolldownOptions: {
        experimental: { attachDebugInfo: 'none' },
        input: Object.fromEntries(Object.entries(entries).map(([name, source]) => [name, join(root, source)])),
        output: {
          entryFileNames: '[name].js',
          chunkFileNames: '[name].js',
          sourcemapExcludeSources: true,
          comments: { legal: true, annotation: false, jsdoc: false },
          keepNames: true,
        },
      },
    },
  });
}

if (import.meta.main) await bundle(program, join(root, 'dist'));
