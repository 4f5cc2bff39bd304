import { me as api } from '../api/account';
import type { SignIn } from '../api/types';
import { now } from '../state/clock';
import { browserWords } from '../state/browser-words';
import { ago } from '../words';
import { ListingFoot, type Listing } from './listing';
import { useAct } from './field';
import { TroubleNote } from './trouble';

function facts(one: SignIn, at: number): string {
  const seen = one.last_seen_at === null || one.current ? null : `seen ${ago(one.last_seen_at, at)}`;
  const since = one.created_at === null ? null : `signed in ${ago(one.created_at, at)}`;
  return [one.address, since, seen].filter((part) => part !== null && part !== '').join(' · ');
}

/** Where one is signed in, and the way to end each. */
export function SignInsSection({ all }: { readonly all: Listing<SignIn> }) {
  const { isBusy, trouble, act } = useAct();
  const items = all.items.value ?? [];
  const others = items.filter(({ current }) => !current);
  const end = (ones: readonly SignIn[]): Promise<void> =>
    act(async () => {
      // One after the other: what has ended stays ended when a later one fails.
      for (const one of ones) await api.endSignIn(one.id);
      await all.load();
    });
  return (
    <section class="section" aria-labelledby="sign-ins">
      <h2 id="sign-ins">Where you are signed in</h2>
      <ul class="rows">
        {items.map((one) => (
          <li class="row-item" key={one.id}>
            <div class="row-words">
              <span class="row-name">{browserWords(one.user_agent)}</span>
              <p class="row-facts">{facts(one, now.value)}</p>
            </div>
            {one.current ? (
              <span class="quiet">This browser</span>
            ) : (
              <button type="button" class="button is-small is-bad" aria-label={`Sign out ${browserWords(one.user_agent)} at ${one.address}`} onClick={() => void end([one])}>Sign out</button>
            )}
          </li>
        ))}
      </ul>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <ListingFoot of={all} />
      {others.length > 1 && <div><button type="button" class="button is-bad" aria-disabled={isBusy.value} onClick={() => void end(others)}>Sign out all other browsers</button></div>}
    </section>
  );
}
