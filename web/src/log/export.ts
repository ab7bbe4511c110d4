export type ExportFormat = 'xlsx' | 'csv' | 'ndjson';
export type Progress = { readonly rows: number; readonly bytes: number };

/** Parts are handed to the browser at this size, which keeps them on disk and not in memory. */
const partBytes = 8_000_000;
const newline = 10;
const quote = 34;

/** Counts lines of NDJSON and of CSV; in CSV a line end between quotes is part of a cell. */
export function lineCounter(format: 'csv' | 'ndjson'): (bytes: Uint8Array) => number {
  // The header of CSV is no row.
  let lines = format === 'csv' ? -1 : 0;
  let quoted = false;
  return bytes => {
    for (const byte of bytes) {
      if (byte === quote && format === 'csv') quoted = !quoted;
      else if (byte === newline && !quoted) lines += 1;
    }
    return Math.max(lines, 0);
  };
}

const types: Readonly<Record<ExportFormat, string>> = {
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
};

/** Gathers an export into a file, telling how far it is. */
export async function gather(
  stream: ReadableStream<Uint8Array>,
  format: ExportFormat,
  /** How many rows there are, now that these bytes have come. */
  count: (bytes: Uint8Array) => number,
  onProgress: (progress: Progress) => void,
): Promise<Blob> {
  const parts: Blob[] = [];
  let pending: Uint8Array<ArrayBuffer>[] = [];
  let pendingBytes = 0;
  let bytes = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    pendingBytes += value.length;
    pending.push(new Uint8Array(value));
    if (pendingBytes >= partBytes) {
      parts.push(new Blob(pending));
      pending = [];
      pendingBytes = 0;
    }
    onProgress({ rows: count(value), bytes });
  }
  return new Blob([...parts, ...pending], { type: types[format] });
}

export function save(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The browser needs the address until it has begun to write the file.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
