/** Custom providers: endpoints that somebody added. */
import { call } from './client';
import { at } from './hub';
import type { Permissions, Provider } from './types';

/** What is not given stays; a key of null is taken away. `check` false: stored without being asked first. */
export interface ProviderChange {
  readonly name: string;
  readonly base_url: string;
  readonly description: string;
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly ca_pem?: string | null;
  readonly model_allow: readonly string[] | null;
  readonly check: boolean;
}

/** Names or ids. */
export interface Grants {
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly everyone: boolean;
}

export const customProviders = {
  add: (body: ProviderChange) => call<Provider>('POST', at('providers'), { body }),
  change: (id: string, body: ProviderChange) => call<Provider>('PATCH', at('providers', id), { body }),
  remove: (id: string) => call<null>('DELETE', at('providers', id)),
  permissions: (id: string) => call<Permissions>('GET', at('providers', id, 'permissions')),
  share: (id: string, body: Grants) => call<Provider>('PUT', at('providers', id, 'permissions'), { body }),
};
