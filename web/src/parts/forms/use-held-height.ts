import { type RefObject, useLayoutEffect, useRef } from 'react';
import { keep, kept } from '../frame/theme.ts';

/**
 * For a box that keeps the height it had while what it shows is not known, so that what stands below it does not move up and
 * down again with each change of the view. With a name its height is remembered for the next visit, in a window as wide.
 */
export function useHeldHeight<Box extends HTMLElement>(known: boolean, keptAs?: string): RefObject<Box | null> {
  const box = useRef<Box>(null);
  const heldPx = useRef<number>(undefined);
  useLayoutEffect(() => {
    const { current } = box;
    if (current === null) return;
    if (!known) {
      heldPx.current ??= keptAs === undefined ? undefined : keptHeight(keptAs);
      if (heldPx.current !== undefined) current.style.minHeight = `${heldPx.current}px`;
      return;
    }
    current.style.minHeight = '';
    const { height } = current.getBoundingClientRect();
    if (height === heldPx.current) return;
    heldPx.current = height;
    if (keptAs !== undefined) keep(keptAs, `${innerWidth} ${height}`);
  });
  return box;
}

function keptHeight(keptAs: string): number | undefined {
  const [width, height = 0] = (kept(keptAs) ?? '').split(' ').map(Number);
  return width === innerWidth && height > 0 ? height : undefined;
}
