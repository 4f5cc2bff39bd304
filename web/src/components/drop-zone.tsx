import { useSignal } from '@preact/signals';
import { Paperclip } from 'lucide';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { Icon } from './icon';

interface DropZoneProps {
  readonly class: string;
  readonly onFiles: (files: readonly File[]) => void;
  readonly children: ComponentChildren;
}

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true;

/** Takes files that are dropped anywhere on it, and says so while they hang above. */
export function DropZone({ class: className, onFiles, children }: DropZoneProps) {
  const isOver = useSignal(false);
  // Each element below enters and leaves too: only the last one that is left counts.
  const depth = useRef(0);
  const move = (by: number): void => {
    depth.current = Math.max(0, depth.current + by);
    isOver.value = depth.current > 0;
  };
  return (
    <div
      class={className}
      onDragEnter={(event) => hasFiles(event) && move(1)}
      onDragLeave={(event) => hasFiles(event) && move(-1)}
      onDragOver={(event) => hasFiles(event) && event.preventDefault()}
      onDrop={(event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        move(-depth.current);
        onFiles([...(event.dataTransfer?.files ?? [])]);
      }}
    >
      {children}
      {isOver.value && (
        <div class="drop-here">
          <p><Icon of={Paperclip} size={20} /> Drop to attach</p>
        </div>
      )}
    </div>
  );
}
