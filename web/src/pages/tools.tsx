import './tools.css';
import { useSignal, type Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { keys, type NewKey } from '../api/hub';
import { listTools } from '../api/tools';
import type { Tool } from '../api/types';
import { CopyButton } from '../components/copy';
import { ListingFoot, useListing } from '../components/listing';
import { Page } from '../components/shell';
import { useAct } from '../components/field';
import { TroubleNote } from '../components/trouble';
import { go, place } from '../router';
import { route } from '../state/choice';
import { providers } from '../state/store';
import { colourCode } from '../stream/markdown/colour';

/** The settings with the key that was just made, where there is one. */
function filledIn(tool: Tool, fresh: NewKey | null): string {
  return fresh === null ? tool.settings : tool.settings.replaceAll(tool.placeholder, fresh.secret);
}

interface SettingsProps {
  readonly tool: Tool;
  readonly fresh: Signal<NewKey | null>;
}

function Settings({ tool, fresh }: SettingsProps) {
  const box = useRef<HTMLDivElement>(null);
  const text = filledIn(tool, fresh.value);
  useEffect(() => {
    if (box.current !== null) void colourCode(box.current);
  }, [text]);
  return (
    <div class="tool-settings" ref={box}>
      <div class="tool-head">
        <p>Goes into <strong>{tool.where}</strong></p>
        <CopyButton text={() => text} label={`Copy the settings for ${tool.title}`} />
      </div>
      {/* A new node for a new text: colouring has put others into the old one. */}
      <pre key={text} tabindex={0} aria-label={`Settings for ${tool.title}`}><code class={tool.language === '' ? '' : `language-${tool.language}`}>{text}</code></pre>
      <KeyLine tool={tool} fresh={fresh} />
    </div>
  );
}

function KeyLine({ tool, fresh }: SettingsProps) {
  const { isBusy, trouble, act } = useAct();
  const make = (): Promise<void> =>
    act(async () => {
      fresh.value = await keys.create({
        name: tool.name, scopes: ['gateway', 'read'], expires_at: null, model_allow: null, requests_per_minute: null, tokens_per_day: null,
      });
    });
  if (fresh.value !== null) {
    return <p class="quiet" role="status">{`The key ${fresh.value.key.name} is filled in. It is shown on this page until you leave it; `}<a href="/settings">Settings</a> revokes it.</p>;
  }
  return (
    <>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div class="tool-key">
        <button type="button" class="button is-main" aria-disabled={isBusy.value} onClick={() => void make()}>{`Make a key for ${tool.title}`}</button>
        <p class="quiet">Or put one that you have in the place of <code>{tool.placeholder}</code>.</p>
      </div>
    </>
  );
}

function ModelField({ chosen, onChange }: { readonly chosen: string; readonly onChange: (id: string) => void }) {
  const ids = [...new Set([...providers.value.flatMap(({ models }) => models.map(({ id }) => id)), chosen])].filter((id) => id !== '');
  return (
    <div class="field tool-model">
      <label for="tool-model">Model</label>
      <select id="tool-model" class="input" value={chosen} onChange={(event) => onChange(event.currentTarget.value)}>
        {ids.map((id) => <option key={id} value={id}>{id}</option>)}
      </select>
    </div>
  );
}

/** The settings for people's tools, filled in: as `underpass connect` prints them. */
export function ToolsPage() {
  const model = useSignal<string | null>(route.peek()?.modelId ?? null);
  const fresh = useSignal<NewKey | null>(null);
  const all = useListing(() => listTools(model.value), [model.value]);
  const tools = all.items.value ?? [];
  const wanted = place.value.searchParams.get('tool');
  const tool = tools.find(({ name }) => name === wanted) ?? tools[0];
  const choose = (name: string): void => {
    // A key is for one program: the next one gets its own.
    fresh.value = null;
    go(`/tools?tool=${encodeURIComponent(name)}`, { replace: true });
  };
  return (
    <Page title="Connect tools">
      <p class="section-lead">Every program that speaks to OpenAI, and several that speak to Anthropic, can use your models: through this hub, with a key, and as you.</p>
      <ListingFoot of={all} />
      {tool !== undefined && (
        <>
          <ModelField chosen={tool.model} onChange={(id) => (model.value = id)} />
          <fieldset class="tool-names">
            <legend class="unseen">Tool</legend>
            {tools.map(({ name, title }) => (
              <label key={name} class={name === tool.name ? 'tool-name is-chosen' : 'tool-name'}>
                <input class="unseen" type="radio" name="tool" checked={name === tool.name} onChange={() => choose(name)} />
                {title}
              </label>
            ))}
          </fieldset>
          <Settings tool={tool} fresh={fresh} />
          <p class="quiet">In a terminal: <code>{`underpass connect ${tool.name}`}</code></p>
        </>
      )}
    </Page>
  );
}
