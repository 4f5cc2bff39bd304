import './settings.css';
import { KeysSection } from '../components/keys';
import { Page } from '../components/shell';
import { closeAll } from '../state/conversations';
import { forgetDrafts } from '../state/drafts';
import { account, leave } from '../state/store';
import { chooseTheme, theme, type Theme } from '../state/theme';
import { toTrouble } from '../api/errors';
import { TroubleNote } from '../components/trouble';
import { useSignal } from '@preact/signals';
import type { Trouble } from '../api/types';

const THEMES: readonly { readonly id: Theme; readonly words: string }[] = [
  { id: 'system', words: 'As this device' },
  { id: 'light', words: 'Light' },
  { id: 'dark', words: 'Dark' },
];

function ThemeSection() {
  return (
    <section class="section" aria-labelledby="look">
      <h2 id="look">Look</h2>
      <div class="choice" role="radiogroup" aria-labelledby="look">
        {THEMES.map(({ id, words }) => (
          <label key={id}>
            <input type="radio" name="theme" checked={theme.value === id} onChange={() => chooseTheme(id)} />
            {words}
          </label>
        ))}
      </div>
    </section>
  );
}

function AccountSection() {
  const trouble = useSignal<Trouble | null>(null);
  const me = account.value;
  const signOut = async (): Promise<void> => {
    try {
      await leave();
      closeAll();
      forgetDrafts();
    } catch (error) {
      trouble.value = toTrouble(error);
    }
  };
  if (me === null) return null;
  return (
    <section class="section" aria-labelledby="account">
      <h2 id="account">Account</h2>
      <p class="section-lead">
        Signed in as <strong>{me.display_name ?? me.name}</strong>
        {me.is_admin ? ', who can manage this hub.' : '.'}
      </p>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div><button type="button" class="button" onClick={() => void signOut()}>Sign out</button></div>
    </section>
  );
}

export function SettingsPage() {
  const hub = account.value?.hub;
  return (
    <Page title="Settings">
      <AccountSection />
      <ThemeSection />
      <KeysSection />
      {hub !== undefined && <p class="settings-foot">{`Underpass ${hub.version} · ${hub.url ?? window.location.origin}`}</p>}
    </Page>
  );
}
