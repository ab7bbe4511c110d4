/** The labels whose values somebody made up, or that say where the server's own things lie. */
const namingLabels = ['mirror', 'sender', 'name', 'replica', 'place'];
const naming = new RegExp(`(?<=[{,])(${namingLabels.join('|')})="((?:[^"\\\\]|\\\\.)*)"`, 'g');
/** It names nothing, and what stands beside it is measured by it. */
const primary = 'primary';

/**
 * Prometheus text with a number in the place of each name: whoever may not learn how mirrors, pages, files and servers are
 * called still sees how many there are, and how each of them does.
 */
export function withNumberedNames(text: string): string {
  const numbers = new Map<string, Map<string, number>>();
  return text.replace(naming, (label: string, kind: string, name: string) => {
    if (name === primary) return label;
    const known = numbers.getOrInsertComputed(kind, () => new Map<string, number>());
    return `${kind}="${known.getOrInsert(name, known.size + 1)}"`;
  });
}
