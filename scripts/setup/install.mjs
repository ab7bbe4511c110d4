/** `node_modules`, and with it the Node this project runs on, as `package-lock.json` has them. */
import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';
import { nodeOf, run } from './run.mjs';

/** @returns {Record<string, { version?: string, integrity?: string, optional?: boolean, devOptional?: boolean }>} */
function packagesOf(lockfile) {
  return JSON.parse(readFileSync(lockfile, 'utf8')).packages;
}

/** Why an installation is due, or undefined: npm keeps a lockfile of what it installed, so nothing else needs keeping. */
export function missing(root) {
  const wanted = packagesOf(join(root, 'package-lock.json'));
  let present;
  try {
    present = packagesOf(join(root, 'node_modules', '.package-lock.json'));
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
  const node = spawnSync(nodeOf(root), ['--version'], { encoding: 'utf8' });
  const version = wanted['node_modules/node'].version;
  return node.stdout?.trim() === `v${version}` ? undefined : `Node ${version} does not run`;
}

/** The npm that runs this script, else the one on PATH; never on the Node that the installation is about to replace. */
function npm(root) {
  const { npm_execpath: script = '', npm_node_execpath: node = '' } = process.env;
  const replaced = node === '' || realpathSync(node).startsWith(realpathSync(root) + sep);
  if (script.endsWith('npm-cli.js') && !replaced) return { command: node, args: [script], shell: false };
  return { command: 'npm', args: [], shell: process.platform === 'win32' };
}

function install(root) {
  const { command, args, shell } = npm(root);
  const options = ['--loglevel=error', '--include=dev', '--include=optional', '--engine-strict=false'];
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .filter(folder => folder !== join(root, 'node_modules', '.bin'));
  const env = { ...process.env, PATH: path.join(delimiter) };
  return run(command, [...args, 'ci', ...options], { cwd: root, env, shell });
}

/** Installs; says why it could not, or nothing. */
export async function installed(root) {
  const { ok, output } = await install(root);
  const reason = ok ? missing(root) : 'npm ci failed';
  return reason === undefined ? undefined : `${output}\nSetting up failed: ${reason}.`;
}
