import { effect, signal } from '@preact/signals';
import { readStored, writeStored } from './stored';

export type Theme = 'system' | 'light' | 'dark';
const KEY = 'underpass.theme';

const stored = readStored(KEY);
export const theme = signal<Theme>(stored === 'light' || stored === 'dark' ? stored : 'system');

export function startTheme(): void {
  const prefersDark = window.matchMedia('(prefers-color-scheme: dark)');
  const isSystemDark = signal(prefersDark.matches);
  prefersDark.addEventListener('change', () => {
    isSystemDark.value = prefersDark.matches;
  });
  effect(() => {
    const choice = theme.value;
    const isDark = choice === 'dark' || (choice === 'system' && isSystemDark.value);
    document.documentElement.dataset['theme'] = isDark ? 'dark' : 'light';
  });
}

export function chooseTheme(choice: Theme): void {
  theme.value = choice;
  writeStored(KEY, choice === 'system' ? null : choice);
}
