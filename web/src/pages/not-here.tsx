import { Page } from '../components/shell';

export function NotHerePage() {
  return (
    <Page title="There is no such page">
      <div class="empty">
        <p>The address may be old, or mistyped.</p>
        <a class="button" href="/">Go to your chats</a>
      </div>
    </Page>
  );
}
