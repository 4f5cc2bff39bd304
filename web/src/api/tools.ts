import { call } from './client';
import { at } from './hub';
import type { Page, Tool } from './types';

/** Settings for people's tools; without a model the hub fills in the first that runs. */
export const listTools = (model: string | null): Promise<Page<Tool>> =>
  call<Page<Tool>>('GET', `${at('tools')}${model === null ? '' : `?model=${encodeURIComponent(model)}`}`);
