import type { Server } from 'node:http';
import { descriptorsMax } from '../descriptors.ts';

/** What the log, its databases and calls of others may have open at most. */
const othersMax = 8192;

/** How many connections there may be at once, so that files can be opened beside them. */
export function connectionsMax(descriptors: number = descriptorsMax()): number {
  return Math.max(Math.floor(descriptors / 2), descriptors - othersMax);
}

/** Keeps the connections of a server from using up what the process may have open. */
export class Connections {
  readonly #max: number;
  #open = 0;

  /** Where there are so many, further ones are closed, and `tell` hears of it. */
  constructor(server: Server, max: number, tell: (reason: string) => void) {
    this.#max = max;
    server.maxConnections = max;
    server.on('connection', socket => {
      this.#open++;
      socket.once('close', () => this.#open--);
    });
    server.on('drop', () => tell(`there are ${max} connections, as many as there may be beside the files of the log`));
  }

  /** Whether they are nearly as many as there may be: one that nothing more is asked over must not keep others out. */
  get areMany(): boolean {
    return this.#open > (this.#max * 7) / 8;
  }
}
