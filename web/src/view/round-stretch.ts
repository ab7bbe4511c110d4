import { momentOf, wallMs, type Zone } from './zone.ts';

const minuteMs = 60_000;
const stepsMs = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 10_080].map(minutes => minutes * minuteMs);

/**
 * A stretch of time between ends that are round by a clock, each as near as a bar of the chart is wide: nobody can aim at a
 * minute of a day.
 */
export function roundStretch(fromMs: number, untilMs: number, bucketMs: number, zone: Zone): [number, number] {
  const stepMs = stepsMs.find(step => step >= bucketMs) ?? bucketMs;
  const round = (ms: number) => momentOf(Math.round(wallMs(ms, zone) / stepMs) * stepMs, zone);
  const from = round(fromMs);
  return [from, Math.max(round(untilMs), from + stepMs)];
}
