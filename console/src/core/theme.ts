import { Store } from './store';

export type Theme = 'system' | 'light' | 'dark';
const KEY = 'watchkeeper.theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

/** Asking the style sheet makes the browser lay out the page; once for each theme is enough. */
const colours = new Map<string, string>();

/** A colour of the style sheet, for canvases. */
export function colour(name: string): string {
  let value = colours.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    // Before the style sheet is there, there is nothing to keep.
    if (value !== '') colours.set(name, value);
  }
  return value;
}

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

export const theme = new Store<Theme>(stored());
/** What is on screen; canvases draw again when it changes. */
export const shade = new Store<'light' | 'dark'>('light');

function apply(): void {
  colours.clear();
  const chosen = theme.value;
  if (chosen === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = chosen;
  shade.set(chosen === 'system' ? (dark.matches ? 'dark' : 'light') : chosen);
}

export function chooseTheme(next: Theme): void {
  theme.set(next);
  try {
    if (next === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  apply();
}

dark.addEventListener('change', apply);
apply();
