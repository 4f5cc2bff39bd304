import './styles/tokens.css';
import './styles/base.css';
import { render } from 'preact';
import { App } from './app';
import { followLinks } from './router';
import { startChatList } from './state/chat-list';
import { startClock } from './state/clock';
import { startConversations } from './state/conversations';
import { startPreferences } from './state/preferences';
import { startShortcuts } from './state/shortcuts';
import { startStore } from './state/store';
import { startTheme } from './state/theme';
import { startUndo } from './state/undo';
import { startViewport } from './state/viewport';

startTheme();
startClock();
followLinks();
startStore();
startConversations();
startUndo();
startViewport();
startChatList();
startPreferences();
startShortcuts();

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
