export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const keptAs = 'sentlog.theme';

/** A browser may refuse to keep anything; then nothing is remembered. */
export function kept(name: string): string | undefined {
  try {
    return localStorage.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Not remembered.
  }
}

export function keptTheme(): Theme {
  const theme = kept(keptAs);
  return themes.find(one => one === theme) ?? 'system';
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  keep(keptAs, theme);
}
