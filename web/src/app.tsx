import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { Shell } from './components/shell';
import { ApprovePage } from './pages/approve';
import { ChatPage } from './pages/chat';
import { AwayPage, SetUpPage, SignInPage } from './pages/door';
import { ManualPageView } from './pages/manual';
import { NotHerePage } from './pages/not-here';
import { ProvidersPage } from './pages/providers';
import { SessionPage } from './pages/session';
import { NewSessionPage, SessionsPage } from './pages/sessions';
import { SettingsPage } from './pages/settings';
import { go, path } from './router';
import { standing } from './state/store';

const PAGES: readonly (readonly [RegExp, ComponentType])[] = [
  [/^\/(chat\/[^/]+)?$/, ChatPage],
  [/^\/sessions$/, SessionsPage],
  [/^\/sessions\/new$/, NewSessionPage],
  [/^\/sessions\/[^/]+$/, SessionPage],
  [/^\/providers/, ProvidersPage],
  [/^\/settings/, SettingsPage],
  [/^\/manual/, ManualPageView],
];

function SignedIn() {
  const here = path.value;
  const isDoor = here === '/sign-in' || here === '/setup';
  useEffect(() => {
    if (isDoor) go('/', { replace: true });
  }, [isDoor]);
  if (here === '/connect') return <ApprovePage />;
  const Shown = PAGES.find(([pattern]) => pattern.test(here))?.[1] ?? NotHerePage;
  return <Shell><Shown /></Shell>;
}

/** One page by who is there and where they are. */
export function App() {
  switch (standing.value) {
    case 'asking':
      return <div aria-busy="true" />;
    case 'away':
      return <AwayPage />;
    case 'setup':
      return <SetUpPage />;
    case 'out':
      return path.value === '/setup' ? <SetUpPage /> : <SignInPage />;
    case 'in':
    case 'expired':
      return <SignedIn />;
  }
}
