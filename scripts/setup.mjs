/**
 * Brings `node_modules` in line with `package-lock.json`, and with it the Node this project runs on. Runs before
 * `npm start`, `npm test` and `npm run demo`, on whatever Node the machine has: hence plain JavaScript without imports
 * from anywhere but Node.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const installed = join(root, 'node_modules');
const ownNode = join(installed, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');

/** @returns {Record<string, { version?: string, integrity?: string, optional?: boolean, devOptional?: boolean }>} */
function packagesOf(lockfile) {
  return JSON.parse(readFileSync(lockfile, 'utf8')).packages;
}

/** Why an installation is due, or undefined: npm keeps a lockfile of what it installed, so nothing else needs keeping. */
function missing() {
  const wanted = packagesOf(join(root, 'package-lock.json'));
  let present;
  try {
    present = packagesOf(join(installed, '.package-lock.json'));
  } catch {
    return 'nothing is installed';
  }
  for (const [path, { version, integrity, optional, devOptional }] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = present[path];
    // Optional packages are those of other platforms, too; that they are of this one shows when Node runs, below.
    if (found === undefined && (optional || devOptional)) continue;
    if (found?.version !== version || found?.integrity !== integrity) return `${path} is not as locked`;
  }
  const node = spawnSync(ownNode, ['--version'], { encoding: 'utf8' });
  const version = wanted['node_modules/node'].version;
  return node.stdout?.trim() === `v${version}` ? undefined : `Node ${version} does not run`;
}

/** The npm that runs this script, else the one on PATH; never on the Node that the installation is about to replace. */
function npm() {
  const { npm_execpath: script = '', npm_node_execpath: node = '' } = process.env;
  const replaced = node === '' || realpathSync(node).startsWith(realpathSync(root) + sep);
  if (script.endsWith('npm-cli.js') && !replaced) return { command: node, args: [script], shell: false };
  return { command: 'npm', args: [], shell: process.platform === 'win32' };
}

function install() {
  const { command, args, shell } = npm();
  const options = ['--loglevel=error', '--include=dev', '--include=optional', '--engine-strict=false'];
  const path = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== join(installed, '.bin'));
  const child = spawn(command, [...args, 'ci', ...options], {
    cwd: root,
    env: { ...process.env, PATH: path.join(delimiter) },
    shell,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = [];
  child.stdout.on('data', chunk => output.push(chunk));
  child.stderr.on('data', chunk => output.push(chunk));
  return new Promise(resolve => {
    child.on('error', error => resolve({ ok: false, output: `npm could not be started: ${error.message}\n` }));
    child.on('close', code => resolve({ ok: code === 0, output: Buffer.concat(output).toString() }));
  });
}

if (missing() !== undefined) {
  const startedAt = Date.now();
  console.log('Setting up: installing the dependencies and Node 26 (once, about a minute) …');
  const { ok, output } = await install();
  const reason = ok ? missing() : 'npm ci failed';
  if (reason !== undefined) {
    console.error(`${output}\nSetting up failed: ${reason}.`);
    process.exit(1);
  }
  console.log(`Set up in ${Math.ceil((Date.now() - startedAt) / 1000)} s.\n`);
}
