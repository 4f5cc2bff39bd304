/** The shapes of what belongs to an account: keys, sign-ins, usage, settings for tools; see `types.ts`. */

/** A browser in which one is signed in. */
export interface SignIn {
  readonly id: string;
  readonly created_at: string | null;
  readonly last_seen_at: string | null;
  readonly expires_at: string | null;
  readonly user_agent: string;
  readonly address: string;
  readonly current: boolean;
}

/** Settings for a program that uses the hub; a key goes in the place of `placeholder`. */
export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly where: string;
  readonly language: string;
  readonly settings: string;
  readonly placeholder: string;
  readonly model: string;
}

/** One sum of usage; what was not told apart is null, and so is a key for what came of AI Chat. */
export interface Usage {
  readonly day: string | null;
  readonly user_id: string | null;
  readonly provider_id: string | null;
  readonly key_id: string | null;
  readonly model: string | null;
  readonly session_id: string | null;
  readonly requests: number;
  readonly failures: number;
  readonly cancelled: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly tokens_in: number;
  readonly tokens_out: number;
  readonly first_byte_s: number | null;
  readonly tokens_per_s: number | null;
}

export interface Key {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly scopes: readonly string[];
  readonly model_allow: readonly string[] | null;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
  readonly last_used_at: string | null;
  readonly requests_per_minute: number | null;
  readonly tokens_per_day: number | null;
}
