/** How much of Meta's hourly budget is used, by the headers of an answer. */
export type Usage = {
  /** Percent, the greatest that any of them names; at 100 calls are refused. */
  readonly percent: number;
  /** Until Meta takes calls again, where it says so. */
  readonly regainMs?: number;
};

/** `undefined` where the answer has no such header, or none that can be read. */
export function usageIn(headers: Readonly<Record<string, string>>): Usage | undefined {
  const app = parsed(headers['x-app-usage']);
  const business = parsed(headers['x-business-use-case-usage']);
  const entries = [
    ...(isObject(app) ? [app] : []),
    ...(isObject(business) ? Object.values(business).flat().filter(isObject) : []),
  ];
  if (entries.length === 0) return undefined;
  let [percent, regainMinutes] = [0, 0];
  for (const entry of entries) {
    for (const name of ['call_count', 'total_time', 'total_cputime'])
      percent = Math.max(percent, numberOf(entry, name));
    regainMinutes = Math.max(regainMinutes, numberOf(entry, 'estimated_time_to_regain_access'));
  }
  return { percent, ...(regainMinutes > 0 && { regainMs: regainMinutes * 60_000 }) };
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function numberOf(entry: object, name: string): number {
  const value: unknown = Reflect.get(entry, name);
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
