import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** The Node that the package `node` brings into a clone. */
export function nodeOf(root) {
  return join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** Runs a program to its end: whether it ended well, and all it said. */
export function run(program, args, options) {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = [];
  child.stdout.on('data', chunk => output.push(chunk));
  child.stderr.on('data', chunk => output.push(chunk));
  return new Promise(resolve => {
    child.on('error', error => resolve({ ok: false, output: `${program} could not be started: ${error.message}\n` }));
    child.on('close', code => resolve({ ok: code === 0, output: Buffer.concat(output).toString() }));
  });
}
