import './start-form.css';
import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import { sessions as api } from '../api/hub';
import type { Cluster, Session, Template, TemplateParam, Trouble } from '../api/types';
import { bestTemplate, commonObstacle, isMore, toParams, typedDefault, usableFirst, type Typed } from '../state/form';
import { place } from '../router';
import { putSession } from '../state/store';
import { Param } from './param';
import { TroubleNote } from './trouble';

const NAME_FIELD = 'session name';
const SESSION_NAME: TemplateParam = {
  name: NAME_FIELD,
  label: 'Session name',
  type: 'text',
  default: '',
  required: false,
  help: 'How it is called in your lists. Chosen for you when left empty.',
};

interface ChoiceProps {
  readonly all: readonly Template[];
  readonly chosen: string;
  readonly onChoose: (template: Template) => void;
}

function TemplateChoice({ all, chosen, onChoose }: ChoiceProps) {
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

interface ClusterChoiceProps {
  readonly all: readonly Cluster[];
  readonly chosen: string;
  readonly onChoose: (id: string) => void;
}

/** Only where there is something to choose. */
function ClusterChoice({ all, chosen, onChoose }: ClusterChoiceProps) {
  if (all.length < 2) return null;
  return (
    <div class="field cluster-choice">
      <label for="cluster">Cluster</label>
      <select id="cluster" class="input" value={chosen} onChange={(event) => onChoose(event.currentTarget.value)}>
        {all.map((cluster) => (
          <option key={cluster.id} value={cluster.id} disabled={cluster.status === 'offline'}>
            {`${cluster.name}${cluster.status === 'offline' ? ' (not connected)' : ''}`}
          </option>
        ))}
      </select>
    </div>
  );
}

function Params({ template, typed }: { readonly template: Template; readonly typed: Signal<Typed> }) {
  const more = template.params.filter(isMore);
  return (
    <>
      <div class="params">
        {template.params.filter((param) => !isMore(param)).map((param) => <Param key={param.name} param={param} typed={typed} />)}
        <Param param={SESSION_NAME} typed={typed} />
      </div>
      {more.length > 0 && (
        <details class="more">
          <summary>More settings</summary>
          <div class="params">{more.map((param) => <Param key={param.name} param={param} typed={typed} />)}</div>
        </details>
      )}
    </>
  );
}

/** The state of the form and its requests: clusters, templates, and the start. */
function useStart(onStarted: (session: Session) => void) {
  const clusters = useSignal<readonly Cluster[]>([]);
  const cluster = useSignal('');
  const all = useSignal<readonly Template[] | null>(null);
  const chosen = useSignal<Template | null>(null);
  const typed = useSignal<Typed>({});
  const trouble = useSignal<Trouble | null>(null);
  const isBusy = useSignal(false);
  const choose = (template: Template | null): void => {
    chosen.value = template;
    typed.value = Object.fromEntries((template?.params ?? []).map((param) => [param.name, typedDefault(param)]));
  };
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    trouble.value = null;
    try {
      await work();
    } catch (error) {
      trouble.value = toTrouble(error);
    }
  };
  const load = (clusterId = '') =>
    attempt(async () => {
      if (clusters.value.length === 0) clusters.value = (await api.clusters()).items;
      cluster.value = clusterId === '' ? (clusters.value[0]?.id ?? '') : clusterId;
      all.value = usableFirst((await api.templates(cluster.value)).items);
      choose(bestTemplate(all.value, chosen.value?.name ?? null));
    });
  const start = async (): Promise<void> => {
    const template = chosen.value;
    if (template === null || isBusy.value) return;
    isBusy.value = true;
    const name = (typed.value[NAME_FIELD] ?? '').trim();
    await attempt(async () => {
      const session = await api.start({
        template: template.name,
        params: toParams(template.params, typed.value),
        openai: true,
        ...(name === '' ? {} : { name }),
        ...(cluster.value === '' ? {} : { cluster: cluster.value }),
      });
      putSession(session);
      onStarted(session);
    });
    isBusy.value = false;
  };
  return { clusters, cluster, all, chosen, typed, trouble, isBusy, choose, load, start };
}

/** Starts a session from one of the hub's templates. */
export function StartForm({ onStarted }: { readonly onStarted: (session: Session) => void }) {
  const { clusters, cluster, all, chosen, typed, trouble, isBusy, choose, load, start } = useStart(onStarted);
  // A page about one cluster leads here with it in the address.
  useEffect(() => void load(place.value.searchParams.get('cluster') ?? ''), []);
  const template = chosen.value;
  if (all.value === null) {
    if (trouble.value === null) return <p class="quiet">Reading the templates.</p>;
    return (
      <TroubleNote trouble={trouble.value}>
        <button type="button" class="button is-small" onClick={() => void load()}>Try again</button>
      </TroubleNote>
    );
  }
  const obstacle = commonObstacle(all.value);
  if (obstacle !== null && clusters.value.length < 2) return <p class="quiet">{obstacle}</p>;
  return (
    <form
      class="start-form"
      aria-label="Start a session"
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <ClusterChoice all={clusters.value} chosen={cluster.value} onChoose={(id) => void load(id)} />
      {all.value.length === 0 && <p class="quiet">This hub has no templates. Open a tunnel to a server that you run instead.</p>}
      <TemplateChoice all={all.value} chosen={template?.name ?? ''} onChoose={choose} />
      {template !== null && <Params key={template.name} template={template} typed={typed} />}
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div class="start-act">
        <button type="submit" class="button is-main" aria-disabled={isBusy.value || template === null}>
          {isBusy.value ? 'Starting' : 'Start session'}
        </button>
      </div>
    </form>
  );
}
