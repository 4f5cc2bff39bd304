import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Conversation } from '../state/conversation';
import { SentenceFeed } from '../stream/sentences';

const LOOK_MS = 500;

/** Reads the answer to a screen reader, sentence by sentence. */
export function Announcer({ conversation }: { readonly conversation: Conversation }) {
  const words = useSignal('');
  const live = conversation.live.value;
  useEffect(() => {
    if (live === null) return undefined;
    const feed = new SentenceFeed();
    // Nobody hears twice a second: between two looks at the text a token costs nothing here.
    const timer = setInterval(() => {
      const sentences = feed.push(live.text.peek());
      if (sentences !== '') words.value = sentences;
    }, LOOK_MS);
    return () => {
      clearInterval(timer);
      words.value = [feed.push(live.text.peek()), feed.rest()].join(' ').trim();
    };
  }, [live, words]);
  return (
    <div class="unseen" aria-live="polite" aria-atomic="true">
      {words}
    </div>
  );
}
