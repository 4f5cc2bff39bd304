import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Conversation } from '../state/conversation';
import { SentenceFeed } from '../stream/sentences';

/** Reads the answer to a screen reader, sentence by sentence. */
export function Announcer({ conversation }: { readonly conversation: Conversation }) {
  const words = useSignal('');
  const live = conversation.live.value;
  useEffect(() => {
    if (live === null) return undefined;
    const feed = new SentenceFeed();
    const unsubscribe = live.text.subscribe((text) => {
      const sentences = feed.push(text);
      if (sentences !== '') words.value = sentences;
    });
    return () => {
      unsubscribe();
      words.value = feed.rest();
    };
  }, [live, words]);
  return (
    <div class="unseen" aria-live="polite" aria-atomic="true">
      {words}
    </div>
  );
}
