import './settings.css';
import { Keyboard } from 'lucide';
import { me as api } from '../api/account';
import { AccountSection, PasswordSection } from '../components/account-section';
import { ExchangeSection } from '../components/exchange-section';
import { Icon } from '../components/icon';
import { KeysSection } from '../components/keys';
import { useListing } from '../components/listing';
import { PresetsSection } from '../components/presets-section';
import { Page } from '../components/shell';
import { SignInsSection } from '../components/sign-ins-section';
import { Status } from '../components/status';
import { TroubleNote } from '../components/trouble';
import { TwoStepSection } from '../components/two-step-section';
import { splitModelId } from '../state/choice';
import { chooseSendKey, favourites, preferencesTrouble, preferTheme, sendKey, toggleFavourite } from '../state/preferences';
import { isMac } from '../state/shortcuts';
import { account, providers } from '../state/store';
import { theme, type Theme } from '../state/theme';
import { openShortcuts } from '../state/ui';

const THEMES: readonly { readonly id: Theme; readonly words: string }[] = [
  { id: 'system', words: 'As this device' },
  { id: 'light', words: 'Light' },
  { id: 'dark', words: 'Dark' },
];

const SEND_KEYS = [
  { id: 'enter', words: 'Enter sends, Shift+Enter makes a new line' },
  { id: 'ctrl_enter', words: `${isMac ? '⌘' : 'Ctrl'}+Enter sends, Enter makes a new line` },
] as const;

function LookSection() {
  return (
    <section class="section" aria-labelledby="look">
      <h2 id="look">Look</h2>
      <div class="choice" role="radiogroup" aria-labelledby="look">
        {THEMES.map(({ id, words }) => (
          <label key={id}>
            <input type="radio" name="theme" checked={theme.value === id} onChange={() => void preferTheme(id)} />
            {words}
          </label>
        ))}
      </div>
    </section>
  );
}

function WritingSection() {
  return (
    <section class="section" aria-labelledby="writing">
      <h2 id="writing">Writing</h2>
      <div class="choice" role="radiogroup" aria-labelledby="writing">
        {SEND_KEYS.map(({ id, words }) => (
          <label key={id}>
            <input type="radio" name="send-key" checked={sendKey.value === id} onChange={() => void chooseSendKey(id)} />
            {words}
          </label>
        ))}
      </div>
      {preferencesTrouble.value !== null && <TroubleNote trouble={preferencesTrouble.value} />}
      <div><button type="button" class="button" onClick={openShortcuts}><Icon of={Keyboard} size={16} /> Keyboard shortcuts</button></div>
    </section>
  );
}

function FavouriteRow({ id }: { readonly id: string }) {
  const { provider, model } = splitModelId(id);
  const known = providers.value.find(({ models }) => models.some((one) => one.id === id));
  return (
    <li class="row-item">
      <div class="row-words">
        <span class="row-name">{model}</span>
        <p class="row-facts">{known === undefined ? `${provider}, which does not list it now` : provider}</p>
      </div>
      <div class="row-acts">
        {known !== undefined && <Status status={known.status} />}
        <button type="button" class="button is-small" aria-label={`Take off ${model} from the favourites`} onClick={() => void toggleFavourite(id)}>Take off</button>
      </div>
    </li>
  );
}

function FavouritesSection() {
  const all = [...favourites.value].sort();
  return (
    <section class="section" aria-labelledby="favourites">
      <h2 id="favourites">Favourite models</h2>
      {all.length === 0 ? (
        <p class="quiet">None yet. The star beside a model in the picker puts it first there.</p>
      ) : (
        <ul class="rows">{all.map((id) => <FavouriteRow key={id} id={id} />)}</ul>
      )}
    </section>
  );
}

export function SettingsPage() {
  const hub = account.value?.hub;
  const signIns = useListing(() => api.signIns());
  return (
    <Page title="Settings">
      <AccountSection />
      <PasswordSection onChanged={() => void signIns.load()} />
      <TwoStepSection />
      <SignInsSection all={signIns} />
      <LookSection />
      <WritingSection />
      <FavouritesSection />
      <PresetsSection />
      <ExchangeSection />
      <KeysSection />
      {hub !== undefined && <p class="settings-foot">{`Underpass ${hub.version} · ${hub.url ?? window.location.origin}`}</p>}
    </Page>
  );
}
