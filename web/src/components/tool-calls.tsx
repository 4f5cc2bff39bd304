import { Wrench } from 'lucide';
import type { Message } from '../api/types';
import { readCall } from '../state/tool-call';
import { CopyButton } from './copy';
import { Icon } from './icon';

/** What the model asked to be called, shown as such: nothing is run. */
export function ToolCalls({ calls }: { readonly calls: Message['tool_calls'] }) {
  if (calls === null || calls.length === 0) return null;
  return (
    <ul class="tool-calls" aria-label="Tool calls">
      {calls.map((raw, index) => {
        const call = readCall(raw);
        return (
          <li key={index} class="tool-call">
            <p class="tool-call-head">
              <Icon of={Wrench} size={15} />
              <span>Tool call</span> <code>{call.name}</code>
              <CopyButton isIcon label="Copy the arguments" text={() => call.args} />
            </p>
            <pre tabindex={0} aria-label={`Arguments of ${call.name}`}>{call.args}</pre>
          </li>
        );
      })}
    </ul>
  );
}
