import { beforeAll, test } from 'vitest';
import { cases } from '../../bench/cases.ts';
import { expectFigures, smokeRun } from '../bench/smoke-run.ts';

let document = '';

beforeAll(async () => {
  document = await smokeRun();
}, 900_000);

test.each(cases.map(one => [one.name, one] as const))('%s in a smoke run → each figure of every driver', (_name, one) =>
  expectFigures(document, one),
);
