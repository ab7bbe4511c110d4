import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const inBrotli = promisify(brotliCompress);
const inGzip = promisify(gzip);

/** Smaller files fit into a packet or two as they are. */
const bytesMin = 1400;

/** Leaves each file compressed beside it, as small as it gets: the server has no time for that. */
const compressedBeside: Plugin = {
  name: 'compressed-beside',
  async writeBundle({ dir = '' }, bundle) {
    for (const file of Object.values(bundle)) {
      const bytes = Buffer.from(file.type === 'chunk' ? file.code : file.source);
      if (bytes.length < bytesMin) continue;
      const size = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
      await writeFile(join(dir, `${file.fileName}.br`), await inBrotli(bytes, { params: size }));
      await writeFile(join(dir, `${file.fileName}.gz`), await inGzip(bytes, { level: 9 }));
    }
  },
};

export default defineConfig(({ command }) => {
  // Whatever runs the build: a page for developing is thrice as big.
  if (command === 'build') process.env.NODE_ENV = 'production';
  return {
    plugins: [react(), compressedBeside],
    // The page's policy lets no script and no style stand in the document itself, and no picture in a style.
    build: {
      outDir: 'dist',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      target: 'es2022',
    },
    server: {
      proxy: Object.fromEntries(
        ['/messenger', '/auth', '/page', '/manage', '/emulator'].map(path => [path, 'http://127.0.0.1:8080']),
      ),
    },
  };
});
