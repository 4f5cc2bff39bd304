import './start-form.css';
import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import { sessions as api } from '../api/hub';
import type { Session, Template, TemplateParam, Trouble } from '../api/types';
import { toParams, typedDefault, type Typed } from '../state/form';
import { putSession } from '../state/store';
import { TroubleNote } from './trouble';

interface ParamProps {
  readonly param: TemplateParam;
  readonly typed: Signal<Typed>;
}

function Control({ param, typed }: ParamProps) {
  const id = `param-${param.name}`;
  const value = typed.value[param.name] ?? '';
  const set = (text: string): void => {
    typed.value = { ...typed.value, [param.name]: text };
  };
  const common = { id, class: 'input', required: param.required, 'aria-describedby': param.help === null ? undefined : `${id}-help` };
  if (param.type === 'table') {
    return <textarea {...common} rows={2} spellcheck={false} value={value} onInput={(event) => set(event.currentTarget.value)} />;
  }
  return (
    <input
      {...common}
      type="text"
      inputMode={param.type === 'number' ? 'decimal' : 'text'}
      autocomplete="off"
      spellcheck={false}
      value={value}
      onInput={(event) => set(event.currentTarget.value)}
    />
  );
}

function Param({ param, typed }: ParamProps) {
  const id = `param-${param.name}`;
  const help = param.help !== null && param.help !== '' && <p class="help" id={`${id}-help`}>{param.help}</p>;
  if (param.type === 'flag') {
    return (
      <div class="field is-wide">
        <label class="check">
          <input
            type="checkbox"
            checked={typed.value[param.name] === 'true'}
            onChange={(event) => (typed.value = { ...typed.value, [param.name]: String(event.currentTarget.checked) })}
          />
          {param.label}
        </label>
        {help}
      </div>
    );
  }
  return (
    <div class={param.type === 'table' || param.type === 'words' ? 'field is-wide' : 'field'}>
      <label for={id}>
        {param.label}
        {!param.required && <span class="optional"> optional</span>}
      </label>
      <Control param={param} typed={typed} />
      {help}
    </div>
  );
}

function TemplateChoice({ all, chosen, onChoose }: {
  readonly all: readonly Template[];
  readonly chosen: string;
  readonly onChoose: (template: Template) => void;
}) {
  return (
    <div class="templates" role="radiogroup" aria-label="Template">
      {all.map((template) => (
        <label key={template.name} class={`template${template.name === chosen ? ' is-chosen' : ''}${template.available ? '' : ' is-away'}`}>
          <input
            type="radio"
            name="template"
            checked={template.name === chosen}
            disabled={!template.available}
            onChange={() => onChoose(template)}
          />
          <span class="template-title">{template.title}</span>
          <span class="template-words">{template.available ? template.description : (template.unavailable_reason ?? 'not available here')}</span>
        </label>
      ))}
    </div>
  );
}

/** The state of the form and its two requests: the templates, and the start. */
function useStart(onStarted: (session: Session) => void) {
  const all = useSignal<readonly Template[] | null>(null);
  const chosen = useSignal<Template | null>(null);
  const typed = useSignal<Typed>({});
  const trouble = useSignal<Trouble | null>(null);
  const isBusy = useSignal(false);
  const choose = (template: Template): void => {
    chosen.value = template;
    typed.value = Object.fromEntries(template.params.map((param) => [param.name, typedDefault(param)]));
  };
  const load = async (): Promise<void> => {
    trouble.value = null;
    try {
      const { items } = await api.templates();
      all.value = items;
      const first = items.find((template) => template.available);
      if (first !== undefined) choose(first);
    } catch (error) {
      trouble.value = toTrouble(error);
    }
  };
  const start = async (): Promise<void> => {
    const template = chosen.value;
    if (template === null || isBusy.value) return;
    isBusy.value = true;
    trouble.value = null;
    const name = (typed.value['session name'] ?? '').trim();
    try {
      const params = toParams(template.params, typed.value);
      const session = await api.start({ template: template.name, params, openai: true, ...(name === '' ? {} : { name }) });
      putSession(session);
      onStarted(session);
    } catch (error) {
      trouble.value = toTrouble(error);
    } finally {
      isBusy.value = false;
    }
  };
  return { all, chosen, typed, trouble, isBusy, choose, load, start };
}

/** Starts a session from one of the hub's templates. */
export function StartForm({ onStarted }: { readonly onStarted: (session: Session) => void }) {
  const { all, chosen, typed, trouble, isBusy, choose, load, start } = useStart(onStarted);
  useEffect(() => void load(), []);
  const template = chosen.value;
  const retry = <button type="button" class="button is-small" onClick={() => void load()}>Try again</button>;
  if (all.value === null) {
    return trouble.value === null ? <p class="quiet">Reading the templates.</p> : <TroubleNote trouble={trouble.value}>{retry}</TroubleNote>;
  }
  if (all.value.length === 0) return <p class="quiet">This hub has no templates. Open a tunnel to a server that you run instead.</p>;
  return (
    <form
      class="start-form"
      aria-label="Start a session"
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <TemplateChoice all={all.value} chosen={template?.name ?? ''} onChoose={choose} />
      {template !== null && (
        <div class="params" key={template.name}>
          {template.params.map((param) => <Param key={param.name} param={param} typed={typed} />)}
          <Param param={SESSION_NAME} typed={typed} />
        </div>
      )}
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div class="start-act">
        <button type="submit" class="button is-main" aria-disabled={isBusy.value || template === null}>
          {isBusy.value ? 'Starting' : 'Start session'}
        </button>
      </div>
    </form>
  );
}

const SESSION_NAME: TemplateParam = {
  name: 'session name',
  label: 'Session name',
  type: 'text',
  default: '',
  required: false,
  help: 'How it is called in your lists. Chosen for you when left empty.',
};
