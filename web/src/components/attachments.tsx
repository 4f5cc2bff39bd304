import './attachments.css';
import { FileText } from 'lucide';
import { files as api } from '../api/files';
import type { Attachment } from '../api/types';
import { bytes } from '../words';
import { Icon } from './icon';

export function sizeWords({ bytes: size, text_chars: chars }: Pick<Attachment, 'bytes' | 'text_chars'>): string {
  return chars === null ? bytes(size) : `${bytes(size)} · ${chars.toLocaleString('en')} characters`;
}

/** The files of a message that was sent: pictures as such, all else as chips that open them. */
export function Attachments({ files }: { readonly files: readonly Attachment[] }) {
  if (files.length === 0) return null;
  return (
    <div class="attachments" role="group" aria-label="Attached">
      {files.map((file) =>
        file.kind === 'image' ? (
          <a key={file.id} class="attachment-picture" href={api.contentPath(file.id)} target="_blank" rel="noopener" title={file.name}>
            <img src={api.contentPath(file.id)} alt={file.name} width={144} height={144} loading="lazy" decoding="async" />
          </a>
        ) : (
          <a key={file.id} class="attachment" href={api.contentPath(file.id)} target="_blank" rel="noopener" title={`Open ${file.name}`}>
            <Icon of={FileText} size={18} />
            <span class="attachment-words">
              <span class="attachment-name">{file.name}</span>
              <span class="attachment-detail">{sizeWords(file)}</span>
            </span>
          </a>
        ),
      )}
    </div>
  );
}
