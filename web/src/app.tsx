import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { lazy } from './components/lazy';
import { Shell } from './components/shell';
import { ChatPage } from './pages/chat';
import { AwayPage, SetUpPage, SignedInPage, SignInPage } from './pages/door';
import { NotHerePage } from './pages/not-here';
import { go, path } from './router';
import { SIGNED_IN_PATH } from './state/doors';
import { standing } from './state/store';

const ApprovePage = lazy(async () => (await import('./pages/approve')).ApprovePage);
const ManualPageView = lazy(async () => (await import('./pages/manual')).ManualPageView);
const ProvidersPage = lazy(async () => (await import('./pages/providers')).ProvidersPage);
const SessionPage = lazy(async () => (await import('./pages/session')).SessionPage);
const SessionsPage = lazy(async () => (await import('./pages/sessions')).SessionsPage);
const NewSessionPage = lazy(async () => (await import('./pages/sessions')).NewSessionPage);
const SettingsPage = lazy(async () => (await import('./pages/settings')).SettingsPage);
const ToolsPage = lazy(async () => (await import('./pages/tools')).ToolsPage);
const UsagePage = lazy(async () => (await import('./pages/usage')).UsagePage);
const AdminPage = lazy(async () => (await import('./pages/admin/admin')).AdminPage);
const ClustersPage = lazy(async () => (await import('./pages/clusters')).ClustersPage);
const SharedPage = lazy(async () => (await import('./pages/shared')).SharedPage);

/** The chat is what people open; the code of every other page comes when it is wanted. */
const PAGES: readonly (readonly [RegExp, ComponentType])[] = [
  [/^\/(chat\/[^/]+)?$/, ChatPage],
  [/^\/sessions$/, SessionsPage],
  [/^\/sessions\/new$/, NewSessionPage],
  [/^\/sessions\/[^/]+$/, SessionPage],
  [/^\/providers/, ProvidersPage],
  [/^\/settings/, SettingsPage],
  [/^\/admin(\/|$)/, AdminPage],
  [/^\/clusters$/, ClustersPage],
  [/^\/tools$/, ToolsPage],
  [/^\/usage$/, UsagePage],
  [/^\/shared(\/|$)/, SharedPage],
  [/^\/manual/, ManualPageView],
];

function SignedIn() {
  const here = path.value;
  const isDoor = here === '/sign-in' || here === '/setup';
  useEffect(() => {
    if (isDoor) go('/', { replace: true });
  }, [isDoor]);
  if (here === '/connect') return <ApprovePage />;
  if (here === SIGNED_IN_PATH) return <SignedInPage />;
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
