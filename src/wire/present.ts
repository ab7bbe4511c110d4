/** The same object without its `undefined` fields: an absent field is left out, never `undefined`. */
export function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> };
export function present(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** An empty text counts as absent. */
export function filled(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
