import { expect } from 'vitest';
import { loadConfig, SettingError } from '../../src/config.ts';

export function fromEnv(env: Record<string, string>) {
  return loadConfig({ env, flags: {} });
}

export function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(SettingError);
    const line = error instanceof Error ? error.message : '';
    expect(line).not.toContain('\n');
    return line;
  }
  throw new Error('was not refused');
}
