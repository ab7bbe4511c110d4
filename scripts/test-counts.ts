/** How many checks passed, failed and were left out. */
export type Counts = { readonly passed: number; readonly failed: number; readonly skipped: number };

export function total(counts: readonly Counts[]): Counts {
  const sum = (value: (one: Counts) => number) => counts.reduce((before, one) => before + value(one), 0);
  return { passed: sum(one => one.passed), failed: sum(one => one.failed), skipped: sum(one => one.skipped) };
}

/**
 * Counts what vitest's JSON reporter wrote. A file that could not be loaded, an error outside every test, a run that
 * left no results: each is a failure of its own, so that a run that ended badly never counts as free of failures.
 */
export function countTests(report: unknown, endedWell: boolean): Counts {
  const files = isObject(report) && Array.isArray(report.testResults) ? report.testResults : [];
  const counts = total(files.map(countFile));
  return endedWell || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

function countFile(file: unknown): Counts {
  if (!isObject(file)) return { passed: 0, failed: 1, skipped: 0 };
  const tests: readonly unknown[] = Array.isArray(file.assertionResults) ? file.assertionResults : [];
  const having = (status: string) => tests.filter(test => isObject(test) && test.status === status).length;
  const passed = having('passed');
  const failed = having('failed');
  const skipped = tests.length - passed - failed;
  return { passed, failed: failed === 0 && file.status === 'failed' ? 1 : failed, skipped };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
