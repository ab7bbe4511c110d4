import { DateTimeWriter, writeDigits } from './digits.ts';
import { mix } from './numbers.ts';
import { bulkNumber, destinationNumber, idDigits, isExpired, isRare, type LogShape, sentAt } from './shape.ts';
import { buildTemplates, expiredOutcome, kindCount, outcomes, rareKind, type Template } from './templates.ts';

const newline = 0x0a;
/** Room for any one body line; no template comes near it. */
export const logBytesMax = 1_024;

/** `outcomeOf[draw]` for a draw of 0 … 99. */
const outcomeOfDraw = Uint8Array.from(outcomes.flatMap(({ percent }, outcome) => Array<number>(percent).fill(outcome)));

/**
 * Renders bodies for recording. Lines come out of templates by overwriting digits, a fraction of a microsecond each,
 * so that the load generator leaves the cores to the server and needs no gigabytes of bodies made beforehand.
 */
export class LogWriter {
  readonly #shape: LogShape;
  readonly #templates: readonly (readonly Template[])[];
  readonly #dateTimes = new DateTimeWriter();

  constructor(shape: LogShape) {
    this.#shape = shape;
    this.#templates = buildTemplates(shape.seed);
  }

  /** Messages `from` … `to` - 1, one log a line, in `body`: it has `logBytesMax` for each, and is the caller's to reuse. */
  ndjson(body: Buffer, from: number, to: number): Buffer {
    let end = 0;
    for (let index = from; index < to; index++) {
      end = this.#write(body, end, index);
      body[end++] = newline;
    }
    return body.subarray(0, end);
  }

  /** One message as the body of an `application/json` request. */
  json(body: Buffer, index: number): Buffer {
    const start = body.write('{"results":[');
    const end = this.#write(body, start, index);
    return body.subarray(0, end + body.write(']}', end));
  }

  #write(target: Buffer, at: number, index: number): number {
    const shape = this.#shape;
    const template = this.#templateOf(index);
    const sent = sentAt(shape, index);
    target.set(template.text, at);
    writeDigits(target, at + template.destinationAt, idDigits, destinationNumber(shape, index));
    writeDigits(target, at + template.bulkIdAt, idDigits, bulkNumber(index));
    writeDigits(target, at + template.messageIdAt, idDigits, shape.firstId + index);
    this.#dateTimes.write(target, at + template.sentAtAt, sent);
    if (template.doneAtAt !== undefined)
      this.#dateTimes.write(target, at + template.doneAtAt, sent + template.doneAfterMs);
    return at + template.text.length;
  }

  #templateOf(index: number): Template {
    const shape = this.#shape;
    const kind = isRare(shape, index) ? rareKind : mix(shape.seed, bulkNumber(index), 4) % kindCount;
    const outcome = isExpired(shape, index) ? expiredOutcome : (outcomeOfDraw[mix(shape.seed, index, 5) % 100] ?? 0);
    const template = this.#templates[kind]?.[outcome];
    if (template === undefined) throw new Error(`no template for kind ${kind}, outcome ${outcome}`);
    return template;
  }
}
