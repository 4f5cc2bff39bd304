import './route-line.css';
import { ChevronDown, Menu } from 'lucide';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { route, type Route } from '../state/choice';
import { now } from '../state/clock';
import { onAct } from '../state/shortcuts';
import { world } from '../state/store';
import { isDrawerOpen, isPickerOpen } from '../state/ui';
import type { AnyStatus } from '../words';
import { gpuWords, timeLeft } from '../words';
import { ChatActs } from './chat-acts';
import { Icon } from './icon';
import { Picker } from './picker';
import { Status } from './status';

/** The status that the reader cares about: a tunnel that reconnects outranks what its provider last was. */
export function routeStatus({ provider }: Route): AnyStatus {
  if (provider === null) return 'stopped';
  return provider.tunnel?.status === 'reconnecting' ? 'reconnecting' : provider.status;
}

/** Where it runs and what time is left, in a few words. */
export function routePlace({ provider }: Route, at: number): readonly string[] {
  const session = provider?.session;
  const cluster = typeof session?.cluster === 'string' ? session.cluster : session?.cluster?.name;
  const left = provider?.status === 'stopped' ? null : timeLeft(session?.wall_time_ends_at, at);
  return [session?.host, cluster, gpuWords(session?.gpus), left].filter((part) => typeof part === 'string');
}

function Current({ line }: { readonly line: Route }) {
  return (
    <>
      <Status status={routeStatus(line)} />
      <span class="route-names">
        <span class="route-provider">{line.provider?.name ?? 'gone'}</span>
        <span class="route-dot" aria-hidden="true">·</span>
        <span class="route-model">{line.modelName}</span>
      </span>
    </>
  );
}

function None() {
  const words = world.value.isKnown ? 'No model yet' : 'Looking for your models';
  return <span class="route-names route-none">{words}</span>;
}

export function MenuButton() {
  return (
    <button
      type="button"
      class="icon-button menu-button"
      aria-label="Open the menu"
      aria-expanded={isDrawerOpen.value}
      onClick={() => (isDrawerOpen.value = true)}
    >
      <Icon of={Menu} size={20} />
    </button>
  );
}

/** Where words go and whether that place is alive: always in view, and the way to another place. */
export function RouteLine() {
  const button = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    isPickerOpen.value = false;
    button.current?.focus();
  };
  useLayoutEffect(() => onAct('model', () => (isPickerOpen.value = !isPickerOpen.peek())), []);
  const line = route.value;
  const places = line === null ? [] : routePlace(line, now.value);
  return (
    <header class="route">
      <MenuButton />
      <div class="route-box">
        <button
          ref={button}
          type="button"
          class="route-button"
          aria-haspopup="listbox"
          aria-expanded={isPickerOpen.value}
          onClick={() => (isPickerOpen.value = !isPickerOpen.value)}
        >
          <span class="unseen">Model: </span>
          {line === null ? <None /> : <Current line={line} />}
          <Icon of={ChevronDown} size={16} />
        </button>
        {places.length > 0 && (
          <p class="route-place">
            {places.map((part) => (
              <span key={part}>{part}</span>
            ))}
          </p>
        )}
        {isPickerOpen.value && <Picker onClose={close} />}
      </div>
      <ChatActs />
    </header>
  );
}
