import type { EpochMs } from '../../src/domain/message.ts';

const zero = 0x30;
const msPerDay = 86_400_000;

/** Writes `value`, below 2 ** 31, in decimal over `width` bytes, zeros in front. */
export function writeDigits(target: Uint8Array, at: number, width: number, value: number): void {
  let rest = value | 0;
  for (let i = at + width - 1; i >= at; i--) {
    const tenth = (rest / 10) | 0;
    target[i] = zero + rest - tenth * 10;
    rest = tenth;
  }
}

/** Writes date-times as the log's JSON has them (`2023-02-01T23:15:03.379+0000`); a writer remembers its last day. */
export class DateTimeWriter {
  #day = Number.NaN;
  #dayText = Buffer.alloc(0);

  write(target: Buffer, at: number, moment: EpochMs): void {
    const day = Math.floor(moment / msPerDay);
    if (day !== this.#day) {
      this.#day = day;
      this.#dayText = Buffer.from(new Date(day * msPerDay).toISOString().slice(0, 10));
    }
    const ms = moment - day * msPerDay;
    target.set(this.#dayText, at);
    const seconds = (ms / 1_000) | 0;
    const minutes = (seconds / 60) | 0;
    const hours = (minutes / 60) | 0;
    writeDigits(target, at + 11, 2, hours);
    writeDigits(target, at + 14, 2, minutes - hours * 60);
    writeDigits(target, at + 17, 2, seconds - minutes * 60);
    writeDigits(target, at + 20, 3, ms - seconds * 1_000);
  }
}
