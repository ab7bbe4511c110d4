import { momentsOf, wallMs, type Zone } from './zone.ts';

const minuteMs = 60_000;
const stepsMs = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 10_080].map(minutes => minutes * minuteMs);

/**
 * A stretch of time between ends that are round by a clock, each as near as a bar of the chart is wide: nobody can aim at a
 * minute of a day.
 */
export function roundStretch(fromMs: number, untilMs: number, bucketMs: number, zone: Zone): [number, number] {
  const stepMs = stepsMs.find(step => step >= bucketMs) ?? bucketMs;
  const round = (ms: number) => {
    const wall = wallMs(ms, zone);
    const rounded = Math.round(wall / stepMs) * stepMs;
    // Where clocks change, what is as far away as on the clock may be as round, and nearer.
    const asFar = ms + rounded - wall;
    const moments = [...momentsOf(rounded, zone), ...(wallMs(asFar, zone) % stepMs === 0 ? [asFar] : [])];
    return moments.reduce((near, one) => (Math.abs(one - ms) < Math.abs(near - ms) ? one : near));
  };
  const from = round(fromMs);
  return [from, Math.max(round(untilMs), from + stepMs)];
}
