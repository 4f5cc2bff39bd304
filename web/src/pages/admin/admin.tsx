import './admin.css';
import type { ComponentType } from 'preact';
import { Page } from '../../components/shell';
import { path } from '../../router';
import { account } from '../../state/store';
import { NotHerePage } from '../not-here';
import { AuditSection } from './audit';
import { EndpointsSection } from './endpoints';
import { GroupsSection } from './groups';
import { SessionsSection } from './sessions';
import { SettingsSection } from './settings';
import { TunnelsSection } from './tunnels';
import { UsersSection } from './users';

const SECTIONS: readonly { readonly name: string; readonly words: string; readonly Shown: ComponentType }[] = [
  { name: 'users', words: 'Users', Shown: UsersSection },
  { name: 'groups', words: 'Groups', Shown: GroupsSection },
  { name: 'providers', words: 'Providers', Shown: EndpointsSection },
  { name: 'tunnels', words: 'Tunnels', Shown: TunnelsSection },
  { name: 'sessions', words: 'Sessions', Shown: SessionsSection },
  { name: 'audit', words: 'Audit', Shown: AuditSection },
  { name: 'settings', words: 'Settings in force', Shown: SettingsSection },
];

/** What admins manage. For everybody else there is no such page. */
export function AdminPage() {
  const name = path.value.split('/')[2] ?? 'users';
  const section = SECTIONS.find((one) => one.name === name);
  if (account.value?.is_admin !== true || section === undefined) return <NotHerePage />;
  return (
    <Page title="Admin">
      <nav class="admin-nav" aria-label="Admin pages">
        {SECTIONS.map(({ name: one, words }) => (
          <a key={one} class={one === name ? 'admin-link is-here' : 'admin-link'} href={`/admin/${one}`} aria-current={one === name ? 'page' : undefined}>{words}</a>
        ))}
      </nav>
      <section.Shown key={name} />
    </Page>
  );
}
