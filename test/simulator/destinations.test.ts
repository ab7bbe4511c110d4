import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { behaviourOf, behaviours } from '../../src/simulator/destinations.ts';

it('the table of docs/emulator.md → every destination, and what becomes of it', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/emulator.md'), 'utf8');
  const section = /^## Destinations\n(.*?)^## /ms.exec(text)?.[1] ?? '';
  const rows = [...section.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)].map(([, name, outcome]) => ({ name, outcome }));
  expect(rows).toEqual(behaviours.map(({ name, outcome }) => ({ name, outcome })));
});

it('a name, and a name with anything after a plus → its behaviour; any other text → none', () => {
  for (const { name } of behaviours) {
    expect(behaviourOf(name)?.name).toBe(name);
    expect(behaviourOf(`${name}+42`)?.name).toBe(name);
    expect(behaviourOf(`x${name}`)).toBeUndefined();
  }
  expect(behaviourOf('66855538125')).toBeUndefined();
});
