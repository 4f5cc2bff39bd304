import './exchange-section.css';
import { useSignal } from '@preact/signals';
import { Download, Upload } from 'lucide';
import { useRef } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import { exchange } from '../api/library';
import type { ChatSummary, Trouble } from '../api/types';
import { formatOf } from '../state/exchange';
import { putChat } from '../state/store';
import { titleOf } from './chat-row';
import { Icon } from './icon';
import { TroubleNote } from './trouble';

interface Failure {
  readonly name: string;
  readonly trouble: Trouble;
}

function useImport() {
  const made = useSignal<readonly ChatSummary[]>([]);
  const failures = useSignal<readonly Failure[]>([]);
  const isBusy = useSignal(false);
  const take = async (files: readonly File[]): Promise<void> => {
    if (isBusy.value || files.length === 0) return;
    isBusy.value = true;
    made.value = [];
    failures.value = [];
    for (const file of files) {
      try {
        const { items } = await exchange.importFile(file, formatOf(file.name, file.type));
        items.forEach(putChat);
        made.value = [...made.value, ...items];
      } catch (error) {
        failures.value = [...failures.value, { name: file.name, trouble: toTrouble(error) }];
      }
    }
    isBusy.value = false;
  };
  return { made, failures, isBusy, take };
}

function Made({ all }: { readonly all: readonly ChatSummary[] }) {
  if (all.length === 0) return null;
  return (
    <div role="status">
      <p>{all.length === 1 ? 'One chat was taken in:' : `${all.length} chats were taken in:`}</p>
      <ul class="imported">{all.map((chat) => <li key={chat.id}><a href={`/chat/${chat.id}`}>{titleOf(chat)}</a></li>)}</ul>
    </div>
  );
}

/** One's chats as files, out and in. */
export function ExchangeSection() {
  const field = useRef<HTMLInputElement>(null);
  const { made, failures, isBusy, take } = useImport();
  const read = (): void => {
    const files = [...(field.current?.files ?? [])];
    if (field.current !== null) field.current.value = '';
    void take(files);
  };
  return (
    <section class="section" aria-labelledby="exchange">
      <h2 id="exchange">Your chats as files</h2>
      <p class="section-lead">All of them as one JSON file, with every branch. Files that were exported here, as JSON or Markdown, can be taken in again, on this hub or another.</p>
      <div class="exchange-acts">
        <a class="button" href={exchange.exportAllPath()} download=""><Icon of={Download} size={16} /> Export all chats</a>
        <button type="button" class="button" aria-disabled={isBusy.value} onClick={() => field.current?.click()}>
          <Icon of={Upload} size={16} /> {isBusy.value ? 'Taking in' : 'Import chats'}
        </button>
        <input ref={field} type="file" class="unseen" tabindex={-1} aria-label="Files to import" multiple accept=".json,.md,application/json,text/markdown" onChange={read} />
      </div>
      <Made all={made.value} />
      {failures.value.map(({ name, trouble }) => <TroubleNote key={name} trouble={{ ...trouble, message: `${name}: ${trouble.message}` }} />)}
    </section>
  );
}
