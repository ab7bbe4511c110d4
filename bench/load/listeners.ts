import { connect, type Socket } from 'node:net';
import { idDigits, messageIdPrefix } from '../dataset/shape.ts';
import type { Server } from './tally.ts';

/** Told of each event: which listener it came to, the number in its message's id, and when. */
export type OnEvent = (listener: number, id: number, atMs: number) => void;

const openWithinMs = 30_000;
/** No more than the queue of connections that a server has by default. */
const openingMax = 100;
const readBytes = 256 * 1024;
const zero = 0x30;

/** Every event has it once; finding it costs a fraction of what parsing the event would. */
const mark = Buffer.from(`"messageId":"${messageIdPrefix}`);
const markedBytes = mark.length + idDigits;
/** What the end of one piece may hold of an event's mark. */
const restMax = markedBytes - 1;

/** One piece is read at a time in this process: all sockets share the room, with the rest of the piece before in front. */
const room = Buffer.alloc(restMax + readBytes);

/**
 * Listeners to the stream, as plain sockets: what they cost must not be taken for what the server costs. Each takes a
 * file descriptor here and one in the server.
 */
export class Listeners {
  readonly #all: readonly Listener[];

  private constructor(all: readonly Listener[]) {
    this.#all = all;
  }

  /** Resolves when every one of them has its first place, so that whatever is recorded from then on comes to it. */
  static async open(server: Server, paths: readonly string[], onEvent: OnEvent): Promise<Listeners> {
    const all: Listener[] = [];
    try {
      for (let first = 0; first < paths.length; first += openingMax) {
        const opening = paths.slice(first, first + openingMax).map((path, place) => {
          const number = first + place;
          return new Listener(server, path, (id, atMs) => onEvent(number, id, atMs));
        });
        all.push(...opening);
        await Promise.all(opening.map(listener => listener.opened));
      }
    } catch (error) {
      for (const listener of all) listener.close();
      throw error;
    }
    return new Listeners(all);
  }

  /** How many the server has cut off. */
  get dropped(): number {
    return this.#all.filter(listener => listener.isOver).length;
  }

  close(): void {
    for (const listener of this.#all) listener.close();
  }
}

class Listener {
  readonly opened: Promise<void>;
  readonly #socket: Socket;
  readonly #onEvent: (id: number, atMs: number) => void;
  readonly #opening = Promise.withResolvers<void>();
  readonly #late: NodeJS.Timeout;
  #isOpen = false;
  #head = '';
  readonly #rest = Buffer.alloc(restMax);
  #restBytes = 0;

  constructor({ port, authorization }: Server, path: string, onEvent: (id: number, atMs: number) => void) {
    this.#onEvent = onEvent;
    this.opened = this.#opening.promise;
    const buffer = room.subarray(restMax);
    const callback = (bytes: number) => {
      this.#take(bytes);
      return true;
    };
    this.#socket = connect({ host: '127.0.0.1', port, onread: { buffer, callback } });
    this.#late = setTimeout(() => this.#refused('not opened in time'), openWithinMs);
    this.#socket.once('error', error => this.#refused(error.message));
    this.#socket.once('close', () => this.#refused(`closed: ${this.#head.slice(0, 500)}`));
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${authorization}\r\n\r\n`);
  }

  get isOver(): boolean {
    return this.#socket.destroyed;
  }

  close(): void {
    clearTimeout(this.#late);
    this.#socket.destroy();
  }

  #refused(reason: string): void {
    clearTimeout(this.#late);
    if (!this.#isOpen) this.#opening.reject(new Error(`a listener was ${reason}`));
  }

  #take(bytes: number): void {
    if (!this.#isOpen) return this.#takeHead(room.toString('latin1', restMax, restMax + bytes));
    const begin = restMax - this.#restBytes;
    const end = restMax + bytes;
    this.#rest.copy(room, begin, 0, this.#restBytes);
    const piece = room.subarray(begin, end);
    const atMs = performance.now();
    let taken = 0;
    for (let at = piece.indexOf(mark); at >= 0 && at + markedBytes <= piece.length; at = piece.indexOf(mark, taken)) {
      taken = at + markedBytes;
      let id = 0;
      for (let digit = at + mark.length; digit < taken; digit++) id = id * 10 + (piece[digit] ?? zero) - zero;
      this.#onEvent(id, atMs);
    }
    const restFrom = Math.max(taken, piece.length - restMax);
    this.#restBytes = piece.copy(this.#rest, 0, restFrom);
  }

  /** Until the first place there is no event: nobody records yet. */
  #takeHead(text: string): void {
    this.#head += text;
    if (!this.#head.includes('\nid: ')) return;
    if (!this.#head.startsWith('HTTP/1.1 200 ')) return this.#refused(this.#head.slice(0, 500));
    clearTimeout(this.#late);
    this.#isOpen = true;
    this.#opening.resolve();
  }
}
