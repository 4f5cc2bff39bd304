import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import { auth } from '../api/hub';
import type { DeviceRequest, Trouble } from '../api/types';
import { Status } from '../components/status';
import { TroubleNote } from '../components/trouble';
import { go, place } from '../router';
import { providers, sessions } from '../state/store';
import { Door } from './door';

function AskForCode() {
  const code = useSignal('');
  return (
    <Door title="Approve a session">
      <form
        class="door-form"
        onSubmit={(event) => {
          event.preventDefault();
          go(`/connect?code=${encodeURIComponent(code.value.trim().toUpperCase())}`);
        }}
      >
        <div class="field">
          <label for="code">Code</label>
          <input id="code" class="input" autocomplete="off" autocapitalize="characters" spellcheck={false} placeholder="ABCD-EFGH" required value={code.value} onInput={(event) => (code.value = event.currentTarget.value)} />
          <p class="help">The one that the command printed.</p>
        </div>
        <button type="submit" class="button is-main">Continue</button>
      </form>
    </Door>
  );
}

/** After the click: the session and its model appear here by themselves. */
function Approved({ request }: { readonly request: DeviceRequest }) {
  const session = sessions.value.find((one) => one.host === request.host && one.status === 'running');
  const provider = providers.value.find((one) => one.session?.id === session?.id && session !== undefined);
  if (request.purpose === 'login') {
    return (
      <Door title="That is you">
        <p>{`${request.host ?? 'The machine'} is signed in. You can close this page.`}</p>
        <a class="button" href="/">Go to your chats</a>
      </Door>
    );
  }
  return (
    <Door title="That is you">
      <p>{`The session on ${request.host ?? 'that machine'} is yours. Its model appears in your chat as soon as it is ready.`}</p>
      {provider !== undefined && <p><Status status={provider.status} words={`${provider.name}: ${provider.status}`} /></p>}
      <a class="button is-main" href={provider === undefined ? '/' : `/?provider=${encodeURIComponent(provider.name)}`}>
        {provider?.status === 'running' ? 'Chat now' : 'Go to your chats'}
      </a>
    </Door>
  );
}

function useDevice(code: string) {
  const request = useSignal<DeviceRequest | null>(null);
  const trouble = useSignal<Trouble | null>(null);
  const isBusy = useSignal(false);
  const attempt = async (work: () => Promise<DeviceRequest>): Promise<void> => {
    if (isBusy.value) return;
    isBusy.value = true;
    trouble.value = null;
    try {
      request.value = await work();
    } catch (error) {
      trouble.value = toTrouble(error);
    } finally {
      isBusy.value = false;
    }
  };
  const answer = (status: 'approved' | 'denied'): void => {
    const asked = request.value;
    if (asked === null) return;
    void attempt(async () => {
      await (status === 'approved' ? auth.approve(code) : auth.deny(code));
      return { ...asked, status };
    });
  };
  useEffect(() => {
    if (code !== '') void attempt(() => auth.device(code));
  }, [code]);
  return { request, trouble, isBusy, answer };
}

/** "Is this you, on gpu-17?" One click, and no secret is copied. */
export function ApprovePage() {
  const code = place.value.searchParams.get('code') ?? '';
  const { request, trouble, isBusy, answer } = useDevice(code);
  if (code === '') return <AskForCode />;
  const asked = request.value;
  if (asked === null) {
    return (
      <Door title="Approve a session">
        {trouble.value === null ? <p>Looking up the code.</p> : <TroubleNote trouble={trouble.value} />}
        {trouble.value !== null && <a class="button" href="/connect">Type the code again</a>}
      </Door>
    );
  }
  if (asked.status === 'approved') return <Approved request={asked} />;
  if (asked.status === 'denied') {
    return (
      <Door title="Refused">
        <p>{`${asked.host ?? 'That machine'} was not let in. If somebody sent you this link, tell your hub's admin.`}</p>
        <a class="button" href="/">Go to your chats</a>
      </Door>
    );
  }
  return (
    <Door title={`Is this you, on ${asked.host ?? 'this machine'}?`}>
      <p>
        {asked.purpose === 'login'
          ? 'Somebody asks to sign that machine in as you.'
          : 'Somebody asks to open a session there in your name. Its models will be yours alone.'}
      </p>
      <dl class="door-facts">
        <dt>Machine</dt>
        <dd>{asked.host ?? 'unknown'}</dd>
        <dt>User there</dt>
        <dd>{asked.user ?? 'unknown'}</dd>
      </dl>
      <p>The command shows this code. Does it match?</p>
      <p class="door-code">{asked.user_code}</p>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div class="door-acts">
        <button type="button" class="button is-main" aria-disabled={isBusy.value} onClick={() => answer('approved')}>Yes, it is me</button>
        <button type="button" class="button" aria-disabled={isBusy.value} onClick={() => answer('denied')}>No</button>
      </div>
    </Door>
  );
}
