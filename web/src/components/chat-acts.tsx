import { Ghost } from 'lucide';
import { useLayoutEffect } from 'preact/hooks';
import { path } from '../router';
import { chatMenu } from '../state/chat-menu';
import { chatIdOf } from '../state/conversations';
import { onAct } from '../state/shortcuts';
import { chatsById } from '../state/store';
import { isTemporaryHere } from '../state/temporary';
import { isChatSettingsOpen, isDrawerOpen } from '../state/ui';
import type { MenuItem } from '../state/menu';
import { Icon } from './icon';
import { MoreButton } from './menu';

/** The line of the list where a title is written is in the drawer, on a narrow page. */
function withDrawer(item: MenuItem): MenuItem {
  if (item.words !== 'Rename') return item;
  const act = (): void => {
    isDrawerOpen.value = true;
    item.act?.();
  };
  return { ...item, act };
}

/** At the end of the route line: whether this chat leaves a trace, and what can be done with it. */
export function ChatActs() {
  const chat = chatsById.value.get(chatIdOf(path.value) ?? '');
  const toggle = (): void => {
    isChatSettingsOpen.value = !isChatSettingsOpen.peek();
  };
  useLayoutEffect(() => onAct('chat-settings', toggle), []);
  return (
    <div class="route-acts">
      {isTemporaryHere.value && <span class="route-temporary"><Icon of={Ghost} size={15} /> temporary</span>}
      {chat !== undefined && <MoreButton label="More about this chat" items={() => chatMenu(chat).map(withDrawer)} />}
    </div>
  );
}
