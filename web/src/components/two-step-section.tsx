import './two-step-section.css';
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import { twoStep } from '../api/two-step';
import type { Trouble, TwoStep, TwoStepSecret } from '../api/types';
import { account } from '../state/store';
import { CopyButton } from './copy';
import { Field, useAct } from './field';
import { TroubleNote } from './trouble';

interface AskProps {
  readonly id: string;
  readonly label: string;
  readonly help?: string;
  readonly isPassword?: boolean;
  readonly verb: string;
  readonly isBad?: boolean;
  readonly work: (text: string) => Promise<unknown>;
  readonly children?: ComponentChildren;
}

/** One field and one act: a password or a code is asked for before anything changes. */
function Ask({ id, label, help, isPassword = false, verb, isBad = false, work, children }: AskProps) {
  const text = useSignal('');
  const { isBusy, trouble, act } = useAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    void act(async () => {
      await work(isPassword ? text.value : text.value.trim());
      text.value = '';
    });
  };
  return (
    <form class="two-step-ask" onSubmit={submit}>
      {isPassword && <input class="unseen" type="text" autocomplete="username" tabindex={-1} aria-hidden="true" readOnly value={account.value?.name ?? ''} />}
      <Field id={id} label={label} isSecret={isPassword} autocomplete={isPassword ? 'current-password' : 'one-time-code'} {...(help === undefined ? {} : { help })} value={text.value} onInput={(typed) => (text.value = typed)} />
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div class="two-step-acts">
        <button type="submit" class={isBad ? 'button is-bad' : 'button'} aria-disabled={isBusy.value}>{verb}</button>
        {children}
      </div>
    </form>
  );
}

function Secret({ secret, onCodes, onCancel }: { readonly secret: TwoStepSecret; readonly onCodes: (codes: readonly string[]) => void; readonly onCancel: () => void }) {
  return (
    <div class="two-step-secret">
      <img class="two-step-qr" src={secret.qr} alt="QR code with the secret for your app" width={180} height={180} />
      <div class="two-step-words">
        <p>Scan this with an app for one-time codes, or type the secret there. Then type the code that the app shows.</p>
        <div class="paste">
          <code tabindex={0}>{secret.secret}</code>
          <CopyButton text={() => secret.secret} label="Copy the secret" />
        </div>
        <Ask id="two-step-code" label="Code of the app" verb="Turn on" work={async (code) => onCodes((await twoStep.confirm(code)).recovery_codes)}>
          <button type="button" class="button is-bare" onClick={onCancel}>Cancel</button>
        </Ask>
      </div>
    </div>
  );
}

function Codes({ codes, onDone }: { readonly codes: readonly string[]; readonly onDone: () => void }) {
  return (
    <div class="two-step-codes" role="status">
      <p><strong>Keep these recovery codes.</strong> Each signs you in once when you do not have your app. They are not shown again.</p>
      <ul>{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ul>
      <div class="two-step-acts">
        <CopyButton text={() => codes.join('\n')} label="Copy the recovery codes" />
        <button type="button" class="button" onClick={onDone}>I have kept them</button>
      </div>
    </div>
  );
}

function On({ left, onCodes, onOff }: { readonly left: number; readonly onCodes: (codes: readonly string[]) => void; readonly onOff: () => void }) {
  const wish = useSignal<'codes' | 'off' | null>(null);
  const help = 'The one that your app shows now, or a recovery code.';
  const back = <button type="button" class="button is-bare" onClick={() => (wish.value = null)}>Cancel</button>;
  if (wish.value === 'codes') {
    return <Ask id="two-step-code" label="Code" help={help} verb="Make new recovery codes" work={async (code) => onCodes((await twoStep.newCodes(code)).recovery_codes)}>{back}</Ask>;
  }
  if (wish.value === 'off') {
    return <Ask id="two-step-code" label="Code" help={help} verb="Turn off" isBad work={async (code) => { await twoStep.off(code); onOff(); }}>{back}</Ask>;
  }
  return (
    <>
      <p class="section-lead">{`On: a code of your app is asked for beside your password. ${left === 1 ? 'One recovery code is' : `${left} recovery codes are`} left.`}</p>
      <div class="two-step-acts">
        <button type="button" class="button" onClick={() => (wish.value = 'codes')}>New recovery codes</button>
        <button type="button" class="button is-bad" onClick={() => (wish.value = 'off')}>Turn off</button>
      </div>
    </>
  );
}

function useTwoStep() {
  const state = useSignal<TwoStep | null>(null);
  const trouble = useSignal<Trouble | null>(null);
  const load = async (): Promise<void> => {
    try {
      state.value = await twoStep.show();
      trouble.value = null;
    } catch (error) {
      trouble.value = toTrouble(error);
    }
  };
  useEffect(() => void load(), []);
  return { state, trouble, load };
}

/** A code besides the password: set up, recovery codes, off. */
export function TwoStepSection() {
  const { state, trouble, load } = useTwoStep();
  const secret = useSignal<TwoStepSecret | null>(null);
  const codes = useSignal<readonly string[] | null>(null);
  const show = (made: readonly string[]): void => {
    secret.value = null;
    codes.value = made;
    void load();
  };
  const now = state.value;
  if (now !== null && !now.is_possible && !now.is_on) return null;
  return (
    <section class="section" aria-labelledby="two-step">
      <h2 id="two-step">Two-step sign-in</h2>
      {trouble.value !== null && <TroubleNote trouble={trouble.value}><button type="button" class="button is-small" onClick={() => void load()}>Try again</button></TroubleNote>}
      {codes.value !== null && <Codes codes={codes.value} onDone={() => (codes.value = null)} />}
      {codes.value === null && secret.value !== null && <Secret secret={secret.value} onCodes={show} onCancel={() => (secret.value = null)} />}
      {codes.value === null && secret.value === null && now?.is_on === true && <On left={now.recovery_codes_left} onCodes={show} onOff={() => void load()} />}
      {codes.value === null && secret.value === null && now?.is_on === false && (
        <>
          <p class="section-lead">Off. With it, whoever learns your password still needs a code from an app on your phone.</p>
          <Ask id="two-step-password" label="Your password" isPassword verb="Set up" work={async (password) => (secret.value = await twoStep.begin(password))} />
        </>
      )}
    </section>
  );
}
