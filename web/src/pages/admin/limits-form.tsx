import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { limits as api } from '../../api/admin';
import { LimitField, MOST_A_DAY, MOST_A_MINUTE, numberIn } from '../../components/key-form';
import { useAct } from '../../components/field';
import { TroubleNote } from '../../components/trouble';

/** How much a user, or each member of a group, may ask of models. */
export function LimitsForm({ kind, id }: { readonly kind: 'users' | 'groups'; readonly id: string }) {
  const perMinute = useSignal('');
  const perDay = useSignal('');
  const isSaved = useSignal(false);
  const { isBusy, trouble, act } = useAct();
  useEffect(() => {
    void act(async () => {
      const found = await api.get(kind, id);
      perMinute.value = found.requests_per_minute?.toString() ?? '';
      perDay.value = found.tokens_per_day?.toString() ?? '';
    });
  }, [kind, id]);
  const submit = (event: Event): void => {
    event.preventDefault();
    isSaved.value = false;
    void act(async () => {
      await api.put(kind, id, { requests_per_minute: numberIn(perMinute.value), tokens_per_day: numberIn(perDay.value) });
      isSaved.value = true;
    });
  };
  return (
    <form class="admin-form admin-apart" aria-label="Limits" onSubmit={submit}>
      <div class="two">
        <LimitField id="limit-minute" label="Requests a minute" value={perMinute} most={MOST_A_MINUTE} />
        <LimitField id="limit-day" label="Tokens a day" value={perDay} most={MOST_A_DAY} />
      </div>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div class="admin-acts">
        <button type="submit" class="button" aria-disabled={isBusy.value}>Save limits</button>
        <span class="quiet" role="status">{isSaved.value ? 'Saved. They hold from the next request on.' : ''}</span>
      </div>
    </form>
  );
}
