import { useSignal } from '@preact/signals';
import { Check, Copy } from 'lucide';
import { Icon } from './icon';

/** Puts text on the clipboard; on plain http, where browsers hide the clipboard, through a selection. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'unseen';
  document.body.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way without a secure context
  const isDone = document.execCommand('copy');
  area.remove();
  return isDone;
}

interface CopyButtonProps {
  readonly text: () => string;
  readonly label: string;
  readonly isIcon?: boolean;
}

export function CopyButton({ text, label, isIcon = false }: CopyButtonProps) {
  const said = useSignal<'' | 'Copied' | 'Not copied'>('');
  const copy = async (): Promise<void> => {
    said.value = (await copyText(text())) ? 'Copied' : 'Not copied';
    setTimeout(() => (said.value = ''), 1600);
  };
  const icon = <Icon of={said.value === 'Copied' ? Check : Copy} size={16} />;
  if (isIcon) {
    return (
      <button type="button" class="icon-button" title={label} onClick={() => void copy()}>
        {icon}
        <span class="unseen">{label}</span>
        <span class="unseen" role="status">{said.value}</span>
      </button>
    );
  }
  return (
    <button type="button" class="button is-small" aria-label={label} onClick={() => void copy()}>
      {icon}
      <span role="status">{said.value === '' ? 'Copy' : said.value}</span>
    </button>
  );
}
