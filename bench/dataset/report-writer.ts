import { statuses } from '../../src/domain/registry.ts';
import { DateTimeWriter, writeDigits } from './digits.ts';
import { scattered } from './numbers.ts';
import { idDigits, type LogShape, messageIdPrefix, sentAt } from './shape.ts';

const placeholder = `${messageIdPrefix}333333333`;
const doneAt = '1970-01-01T00:00:00.005+0000';
/** Later than every `doneAt` that messages are recorded with, and another for each order: every report moves its message. */
const reportAfterMs = { recent: 120_000, random: 180_000 } as const;

/** Which messages are reported on: the last of the log, oldest of them first, or any of the whole log. */
export type ReportOrder = 'recent' | 'random';

/** Renders bodies of delivery reports, one a line. Report `index` of a round is on another message in every round. */
export class ReportWriter {
  readonly #shape: LogShape;
  readonly #order: ReportOrder;
  readonly #template: Buffer;
  readonly #idAt: number;
  readonly #doneAtAt: number;
  readonly #dateTimes = new DateTimeWriter();

  constructor(shape: LogShape, order: ReportOrder) {
    this.#shape = shape;
    this.#order = order;
    this.#template = reportTemplate();
    this.#idAt = this.#template.indexOf(placeholder) + placeholder.length - idDigits;
    this.#doneAtAt = this.#template.indexOf(doneAt);
  }

  get reportBytes(): number {
    return this.#template.length;
  }

  /**
   * Reports `from` … `to` - 1 of the log's `messages` reports in `body`, which has `reportBytes` for each. In the
   * order `recent`, report 0 is on the oldest message and the last report on the newest one.
   */
  ndjson(body: Buffer, from: number, to: number): Buffer {
    let end = 0;
    for (let number = from; number < to; number++) {
      const index = this.#order === 'recent' ? number : scattered(number, this.#shape.messages);
      body.set(this.#template, end);
      writeDigits(body, end + this.#idAt, idDigits, this.#shape.firstId + index);
      this.#dateTimes.write(body, end + this.#doneAtAt, sentAt(this.#shape, index) + reportAfterMs[this.#order]);
      end += this.#template.length;
    }
    return body.subarray(0, end);
  }
}

function reportTemplate(): Buffer {
  const status = statuses.find(one => one.name === 'DELIVERED_TO_HANDSET');
  if (status === undefined) throw new Error('the registry lacks DELIVERED_TO_HANDSET');
  const { groupId, groupName, id, name, description } = status;
  const report = {
    messageId: placeholder,
    doneAt,
    price: { pricePerMessage: 0.15, currency: 'EUR' },
    status: { groupId, groupName, id, name, description },
    error: { groupId: 0, groupName: 'OK', id: 0, name: 'NO_ERROR', description: 'No Error', permanent: false },
  };
  return Buffer.from(`${JSON.stringify(report)}\n`);
}
