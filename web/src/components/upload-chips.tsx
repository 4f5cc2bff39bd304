import { FileText, Image, X } from 'lucide';
import { files as api } from '../api/files';
import type { UploadItem, Uploads } from '../state/uploads';
import { bytes } from '../words';
import { Icon } from './icon';
import { sizeWords } from './attachments';

function detail({ file, trouble, progress, bytes: size }: UploadItem): string {
  if (trouble.value !== null) return [trouble.value.message, trouble.value.hint].filter(Boolean).join(' ');
  if (file.value !== null) return sizeWords(file.value);
  return `${bytes(size)} · ${Math.round(progress.value * 100)}\u00a0%`;
}

interface ChipProps {
  readonly item: UploadItem;
  readonly uploads: Uploads;
  readonly onInline: (text: string) => void;
}

function Chip({ item, uploads, onInline }: ChipProps) {
  const file = item.file.value;
  const isBad = item.trouble.value !== null;
  const { pasted } = item;
  return (
    <li class={isBad ? 'attachment is-bad' : 'attachment'}>
      {file?.kind === 'image' ? (
        <img class="attachment-thumb" src={api.contentPath(file.id)} alt="" width={32} height={32} />
      ) : (
        <Icon of={/\.(?:png|jpe?g|gif|webp)$/i.test(item.name) ? Image : FileText} size={18} />
      )}
      <span class="attachment-words" role={isBad ? 'alert' : undefined}>
        <span class="attachment-name" title={item.name}>{item.name}</span>
        <span class="attachment-detail">{detail(item)}</span>
      </span>
      {pasted !== null && (
        <button
          type="button"
          class="button is-small is-bare"
          onClick={() => {
            uploads.remove(item);
            onInline(pasted);
          }}
        >
          As text
        </button>
      )}
      <button type="button" class="icon-button" aria-label={`Remove ${item.name}`} title="Remove" onClick={() => uploads.remove(item)}>
        <Icon of={X} size={15} />
      </button>
      {file === null && !isBad && <progress value={item.progress.value} max={1} aria-label={`Sending ${item.name}`} />}
    </li>
  );
}

/** What will go with the message: each with its size or its trouble, and a way to take it off. */
export function UploadChips({ uploads, onInline }: Omit<ChipProps, 'item'>) {
  const items = uploads.items.value;
  if (items.length === 0) return null;
  return (
    <ul class="attachments" aria-label="Attached">
      {items.map((item) => (
        <Chip key={item.key} item={item} uploads={uploads} onInline={onInline} />
      ))}
    </ul>
  );
}
