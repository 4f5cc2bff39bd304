import './gone-bar.css';
import { path } from '../router';
import { restoreChat } from '../state/chat-acts';
import { chatIdOf, current } from '../state/conversations';
import { gone } from '../state/gone';
import { useAct } from './field';
import { TroubleNote } from './trouble';

/** The chat in view was deleted in another page: said above it, with the way back. */
export function GoneBar() {
  const id = chatIdOf(path.value);
  const { isBusy, trouble, act } = useAct();
  if (id === null || !gone.value.has(id)) return null;
  const restore = (): void =>
    void act(async () => {
      await restoreChat(id);
      await current.peek().load();
    });
  return (
    <div class="gone-bar" role="status">
      <p>This chat was deleted in another window. What you see is only here now.</p>
      <button type="button" class="button is-small" aria-disabled={isBusy.value} onClick={restore}>Restore</button>
      <a class="button is-small" href="/">New chat</a>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
    </div>
  );
}
