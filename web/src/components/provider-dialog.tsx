import './provider-dialog.css';
import { useSignal, type Signal } from '@preact/signals';
import { customProviders as api, type ProviderChange } from '../api/providers';
import type { Provider } from '../api/types';
import { headersIn } from '../state/headers-in';
import { Dialog } from './dialog';
import { modelsIn } from './key-form';
import { Field, useAct } from './field';
import { TroubleNote } from './trouble';

interface AreaProps {
  readonly id: string;
  readonly label: string;
  readonly help: string;
  readonly rows: number;
  readonly value: Signal<string>;
}

function Area({ id, label, help, rows, value }: AreaProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea id={id} class="input provider-area" rows={rows} spellcheck={false} autocomplete="off" aria-describedby={`${id}-help`} value={value.value} onInput={(event) => (value.value = event.currentTarget.value)} />
      <p class="help" id={`${id}-help`}>{help}</p>
    </div>
  );
}

/** A secret that the hub has and never shows: kept, unless another one is given or it is taken away. */
function Kept({ isThere, words, isGone }: { readonly isThere: boolean; readonly words: string; readonly isGone: Signal<boolean> }) {
  if (!isThere) return null;
  return <label class="check"><input type="checkbox" checked={isGone.value} onChange={(event) => (isGone.value = event.currentTarget.checked)} /> {words}</label>;
}

function useProviderForm(provider: Provider | null) {
  const endpoint = provider?.endpoint ?? null;
  const name = useSignal(provider?.name ?? '');
  const address = useSignal(endpoint?.base_url ?? '');
  const description = useSignal(provider?.description ?? '');
  const models = useSignal((endpoint?.model_allow ?? []).join('\n'));
  const key = useSignal('');
  const headers = useSignal('');
  const ca = useSignal('');
  const noKey = useSignal(false);
  const noHeaders = useSignal(false);
  const noCa = useSignal(false);
  const wanted = (check: boolean): ProviderChange => ({
    name: name.value.trim(),
    base_url: address.value.trim(),
    description: description.value.trim(),
    model_allow: modelsIn(models.value),
    check,
    ...(noKey.value ? { key: null } : key.value === '' ? {} : { key: key.value }),
    ...(noHeaders.value ? { headers: {} } : headers.value.trim() === '' ? {} : { headers: headersIn(headers.value) }),
    ...(noCa.value ? { ca_pem: null } : ca.value.trim() === '' ? {} : { ca_pem: ca.value }),
  });
  return { endpoint, name, address, description, models, key, headers, ca, noKey, noHeaders, noCa, wanted };
}

type Form = ReturnType<typeof useProviderForm>;

/** What a file holds, into the field that shows it. */
async function takeFile(input: HTMLInputElement, into: Signal<string>): Promise<void> {
  const file = input.files?.[0];
  if (file !== undefined) into.value = await file.text();
}

function More({ form }: { readonly form: Form }) {
  const { endpoint } = form;
  const names = endpoint?.header_names ?? [];
  return (
    <details class="provider-more">
      <summary>Headers, certificate, models</summary>
      <div class="provider-form">
        <Area id="provider-models" label="Only these models" rows={2} value={form.models} help="Ids as the endpoint lists them, one a line. Empty for all." />
        <Area id="provider-headers" label="Headers" rows={2} value={form.headers} help={names.length === 0 ? 'Sent with each request: `Name: value`, one a line.' : `Kept, and not shown: ${names.join(', ')}. What is written here takes their place.`} />
        <Kept isThere={names.length > 0} words="Send no headers of these any more" isGone={form.noHeaders} />
        <Area id="provider-ca" label="CA certificate (PEM)" rows={3} value={form.ca} help={endpoint?.has_ca === true ? 'There is one. What is pasted here takes its place.' : 'For an endpoint whose certificate is of a private CA.'} />
        <div class="field">
          <label for="provider-ca-file">Or take it from a file</label>
          <input id="provider-ca-file" type="file" accept=".pem,.crt,.cer" onChange={(event) => void takeFile(event.currentTarget, form.ca)} />
        </div>
        <Kept isThere={endpoint?.has_ca === true} words="Trust the usual authorities again" isGone={form.noCa} />
      </div>
    </details>
  );
}

/** What an endpoint is that only does not answer now; all else would be as wrong tomorrow. */
const MAY_PASS: ReadonlySet<string> = new Set(['endpoint_silent', 'endpoint_refuses', 'endpoint_unreachable', 'host_unknown', 'broke_off']);

interface Props {
  /** Null: a new one. */
  readonly provider: Provider | null;
  readonly onSaved: (provider: Provider) => void;
  readonly onClose: () => void;
}

/** An OpenAI-compatible endpoint that runs all the time: where it is, and with what one gets in. */
export function ProviderDialog({ provider, onSaved, onClose }: Props) {
  const form = useProviderForm(provider);
  const { isBusy, trouble, act } = useAct();
  const isReady = form.name.value.trim() !== '' && form.address.value.trim() !== '';
  const save = (check: boolean): void => {
    if (!isReady) return;
    void act(async () => onSaved(await (provider === null ? api.add(form.wanted(check)) : api.change(provider.id, form.wanted(check)))));
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    save(true);
  };
  return (
    <Dialog title={provider === null ? 'Add an endpoint' : provider.name} isForm={provider === null} onClose={onClose}>
      <form class="provider-form" onSubmit={submit}>
        <Field id="provider-name" label="Name" isFirst={provider === null} autocomplete="off" help="Its models are called NAME/MODEL." value={form.name.value} onInput={(text) => (form.name.value = text)} />
        <Field id="provider-address" label="Base URL" autocomplete="off" help="As OpenAI's clients take it, such as https://models.example.org/v1" value={form.address.value} onInput={(text) => (form.address.value = text)} />
        <Field id="provider-key" isOptional label="Key" isSecret autocomplete="new-password" help={form.endpoint?.has_key === true ? 'There is one, which is never shown. Leave this empty to keep it.' : 'Encrypted at the hub, and never shown again.'} value={form.key.value} onInput={(text) => (form.key.value = text)} />
        <Kept isThere={form.endpoint?.has_key === true} words="Use no key any more" isGone={form.noKey} />
        <Field id="provider-description" isOptional label="Description" autocomplete="off" value={form.description.value} onInput={(text) => (form.description.value = text)} />
        <More form={form} />
        {trouble.value !== null && (
          <TroubleNote trouble={trouble.value}>
            {MAY_PASS.has(trouble.value.code) && <button type="button" class="button is-small" onClick={() => save(false)}>Save it all the same</button>}
          </TroubleNote>
        )}
        <div><button type="submit" class="button is-main" aria-disabled={isBusy.value || !isReady}>{isBusy.value ? 'Asking it' : provider === null ? 'Add' : 'Save'}</button></div>
      </form>
    </Dialog>
  );
}
