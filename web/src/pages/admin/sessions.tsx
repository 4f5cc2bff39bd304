import { everybodys } from '../../api/admin';
import type { AnySession } from '../../api/types';
import { ListingFoot, swap, useListing } from '../../components/listing';
import { useAct } from '../../components/field';
import { Status } from '../../components/status';
import { SureButton } from '../../components/sure-button';
import { TroubleNote } from '../../components/trouble';
import { now } from '../../state/clock';
import { ago, endWords, timeLeft } from '../../words';

const isOver = ({ status }: AnySession): boolean => status === 'stopped' || status === 'failed';

function facts(session: AnySession, at: number): string {
  const since = session.created_at === null ? null : `since ${ago(session.created_at, at)}`;
  const end = isOver(session) ? endWords(session.end_reason) : timeLeft(session.wall_time_ends_at, at);
  return [session.cluster?.name, session.host, since, end].filter((part) => typeof part === 'string').join(' · ');
}

/** That sessions exist: whose, where and since when. What runs in one is its owner's. */
export function SessionsSection() {
  const all = useListing((after) => everybodys.sessions(after));
  const { isBusy, trouble, act } = useAct();
  const stop = (session: AnySession): void => void act(async () => swap(all, session.id, await everybodys.stopSession(session.id)));
  return (
    <section class="section" aria-label="Sessions">
      <p class="section-lead">That each session exists, whose it is and where. Its name, command, script and log are its owner's; you can stop it.</p>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <ul class="rows">
        {(all.items.value ?? []).map((one) => (
          <li class="row-item" key={one.id}>
            <div class="row-words">
              <span class="row-name">{one.owner.name}</span> {one.attached && <span class="tag">attached</span>}
              <p class="row-facts">{facts(one, now.value)}</p>
            </div>
            <div class="row-acts">
              <Status status={one.status} />
              {!isOver(one) && <SureButton words="Stop" sure={`Yes, stop ${one.owner.name}'s session`} label={`Stop the session of ${one.owner.name} on ${one.host ?? one.cluster?.name ?? 'no machine yet'}`} isBusy={isBusy.value} onSure={() => stop(one)} />}
            </div>
          </li>
        ))}
      </ul>
      {all.items.value?.length === 0 && <p class="quiet">Nobody has a session.</p>}
      <ListingFoot of={all} />
    </section>
  );
}
