import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const lookEveryMs = 200;

/**
 * Runs `work` while no other process does, on the same lock file. A process that has died holds nothing: its file is
 * taken away. `onWait` is told once who is waited for.
 */
export async function withLock(file, onWait, work) {
  for (let told = false; !taken(file); ) {
    const owner = ownerOf(file);
    if (owner !== undefined && !lives(owner)) takeAway(file, owner);
    else {
      if (owner !== undefined && !told) onWait(owner);
      told ||= owner !== undefined;
      await wait(lookEveryMs);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** The file comes into being with its content, so nobody reads half a number. */
function taken(file) {
  const own = `${file}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

function ownerOf(file) {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function lives(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Only one process can move a file, and a lock that somebody has taken meanwhile is given back. */
function takeAway(file, deadOwner) {
  const aside = `${file}.of-${deadOwner}`;
  try {
    renameSync(file, aside);
    if (ownerOf(aside) !== deadOwner) linkSync(aside, file);
    rmSync(aside, { force: true });
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  }
}
