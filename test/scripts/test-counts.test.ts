import { describe, expect, test } from 'vitest';
import { countTests, total } from '../../scripts/test-counts.ts';

const file = (status: string, ...tests: readonly string[]) => ({
  status,
  assertionResults: tests.map(one => ({ status: one })),
});

describe('counting what ran', () => {
  test('files with passed, failed and skipped tests → each counted', () => {
    const report = { testResults: [file('passed', 'passed', 'skipped'), file('failed', 'failed', 'passed', 'failed')] };
    expect(countTests(report, false)).toEqual({ passed: 2, failed: 2, skipped: 1 });
  });

  test('a file that could not be loaded → one failure', () => {
    expect(countTests({ testResults: [file('failed'), file('passed', 'passed')] }, false)).toEqual({
      passed: 1,
      failed: 1,
      skipped: 0,
    });
  });

  test('every test passed, but the run ended badly → one failure', () => {
    expect(countTests({ testResults: [file('passed', 'passed')] }, false)).toMatchObject({ passed: 1, failed: 1 });
  });

  test('no results → one failure, or none when the run ended well', () => {
    expect(countTests(undefined, false)).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(countTests({}, true)).toEqual({ passed: 0, failed: 0, skipped: 0 });
  });

  test('several counts → their sum', () => {
    const counts = [
      { passed: 1, failed: 0, skipped: 2 },
      { passed: 3, failed: 4, skipped: 0 },
    ];
    expect(total(counts)).toEqual({ passed: 4, failed: 4, skipped: 2 });
  });
});
