import type { SharedSegment } from './shared-segment.ts';

/** The present state of messages, as one thread sees it: the newest report on each, and the group that it is in. */
export class MessageStates {
  /** The sequence of the newest published report on a message; 0 when there is none. */
  newest({ state }: SharedSegment, ordinal: number): number {
    return state.newestReport[ordinal] ?? 0;
  }

  /** The group id of the present status of a message. */
  group({ state }: SharedSegment, ordinal: number): number {
    return state.group[ordinal] ?? 0;
  }

  /** By ordinal: the newest report on each message of a segment. */
  newestOf({ state }: SharedSegment): Float64Array {
    return state.newestReport;
  }

  /** By ordinal: the group of each message of a segment. */
  groupsOf({ state }: SharedSegment): Uint8Array {
    return state.group;
  }

  /** Makes a report the newest of its message. */
  apply(shared: SharedSegment, ordinal: number, sequence: number, group: number): void {
    moveGroup(shared, this.group(shared, ordinal), group);
    shared.state.group[ordinal] = group;
    shared.state.newestReport[ordinal] = sequence;
  }
}

function moveGroup({ groupCounts }: SharedSegment, before: number, after: number): void {
  groupCounts[before] = (groupCounts[before] ?? 0) - 1;
  groupCounts[after] = (groupCounts[after] ?? 0) + 1;
}
