/**
 * The shapes that the hub's REST API and event feed speak. Times are ISO 8601 in UTC.
 * One word per thing, the same as in the API: see SPEC §1.
 */

export type * from './account-types';
export type * from './admin-types';

export type SessionStatus = 'queued' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';
export type TunnelStatus = 'connecting' | 'running' | 'reconnecting' | 'stopped';
export type ProviderStatus = 'stopped' | 'starting' | 'loading' | 'running' | 'unreachable';
export type MessageStatus = 'complete' | 'streaming' | 'stopped' | 'interrupted' | 'failed' | 'waiting';
export type EndReason =
  | 'user'
  | 'walltime'
  | 'idle'
  | 'cancelled'
  | 'preempted'
  | 'out_of_memory'
  | 'node_failure'
  | 'server_exited'
  | 'agent_lost'
  | 'rejected';

export interface Ref {
  readonly id: string;
  readonly name: string;
}

export interface ClusterRef extends Ref {
  readonly kind: string;
}

export interface TimelineEvent {
  readonly at: string;
  readonly kind: string;
  readonly text: string;
}

export interface Tunnel {
  readonly id: string;
  readonly name: string;
  readonly session_id: string;
  readonly target: string;
  readonly openai: boolean;
  readonly status: TunnelStatus;
  readonly owner: Ref;
  readonly provider_id: string | null;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly streams: number;
  readonly created_at: string;
}

export interface Session {
  readonly id: string;
  readonly name: string;
  readonly status: SessionStatus;
  /** One sentence; empty when there is nothing to say. */
  readonly status_reason: string;
  readonly end_reason: EndReason | null;
  readonly end_message: string | null;
  readonly attached: boolean;
  readonly cluster: ClusterRef | null;
  readonly template: string | null;
  readonly host: string | null;
  readonly owner: Ref;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly running_at: string | null;
  readonly ended_at: string | null;
  readonly wall_time_ends_at: string | null;
  /** Nobody uses it, and it stops then; else null. */
  readonly idle_stops_at: string | null;
  /** The session that it takes over from as soon as it answers. */
  readonly renews: string | null;
  /** The session that shall take over from it, or has. */
  readonly renewed_by: string | null;
  readonly job_id: string | null;
  readonly params: Readonly<Record<string, unknown>> | null;
  readonly tunnels: readonly Tunnel[];
  /** Only in the answer about one session, not in lists or events. */
  readonly timeline?: readonly TimelineEvent[];
}

export interface Model {
  /** `PROVIDER/MODEL`, what a request names. */
  readonly id: string;
  readonly name: string;
  readonly max_model_len: number | null;
}

export interface Provider {
  readonly id: string;
  readonly name: string;
  readonly type: 'openai-tunnel' | 'openai';
  readonly owner: Ref;
  readonly status: ProviderStatus;
  /** One sentence; empty when there is nothing to say. */
  readonly status_reason: string;
  readonly models: readonly Model[];
  readonly server: { readonly kind: string; readonly version: string | null } | null;
  readonly description: string;
  /** Only for who may change it. */
  readonly endpoint: Endpoint | null;
  readonly shareable: boolean;
  readonly session: {
    readonly id: string;
    readonly name: string;
    readonly status: SessionStatus;
    readonly host: string | null;
    readonly cluster: ClusterRef | string | null;
    /** Names of the GPUs that it may use, as their driver says them. */
    readonly gpus: readonly string[];
    readonly wall_time_ends_at: string | null;
  } | null;
  readonly tunnel: { readonly id: string; readonly status: TunnelStatus | null; readonly target: string } | null;
  readonly updated_at: string;
}

/** What a search found in a chat. `spans` are ranges of `text` in code points, not UTF-16 units. */
export interface Match {
  /** Null when the title is what was found. */
  readonly message_id: string | null;
  readonly text: string;
  readonly spans: readonly (readonly [number, number])[];
}

export interface ChatSummary {
  readonly id: string;
  /** Empty until the first message. */
  readonly title: string;
  readonly model: string | null;
  readonly folder: string | null;
  readonly is_pinned: boolean;
  readonly is_archived: boolean;
  /** Held in the hub's memory alone, and in no list. */
  readonly is_temporary: boolean;
  readonly is_shared: boolean;
  /** The newest message of the branch that was shown last. */
  readonly head_id: string | null;
  /** Only in the answer to a search. */
  readonly match: Match | null;
  readonly created_at: string;
  readonly updated_at: string;
}

export interface Folder {
  readonly name: string;
  readonly chats: number;
}

/** A branch of a chat that its owner lets others read, as it was when it was shared. */
export interface Share {
  readonly id: string;
  /** The address of its page, without the hub's own. */
  readonly url: string;
  readonly chat_id: string;
  readonly title: string;
  readonly owner: string;
  /** Names of those who may read it. */
  readonly users: readonly string[];
  readonly leaf_id: string | null;
  readonly created_at: string;
}

export type SharedWithMe = Pick<Share, 'id' | 'title' | 'owner' | 'created_at'>;

export interface SharedChat extends SharedWithMe {
  readonly messages: readonly Message[];
}

export interface Preset {
  readonly id: string;
  readonly name: string;
  readonly system_prompt: string;
  /** Request fields for the model server, such as `temperature`. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly model: string | null;
}

export interface Preferences {
  /** Model ids, `PROVIDER/MODEL`. */
  readonly favourites: readonly string[];
  readonly theme: 'system' | 'light' | 'dark' | null;
  readonly send_key: 'enter' | 'ctrl_enter';
}

export interface Chat extends ChatSummary {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly messages: readonly Message[];
}

export interface ReadChat extends Chat {
  /** How far the feed was when it was read. */
  readonly feed_position: number;
}

export interface Trouble {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | null;
}

export interface Timings {
  readonly first_token_s: number | null;
  readonly tokens_per_s: number | null;
  readonly duration_s: number | null;
  /** How long it reasoned before the first word of its answer. */
  readonly reasoning_s: number | null;
}

/** A file that somebody attached, or is about to. */
export interface Attachment {
  readonly id: string;
  readonly name: string;
  readonly kind: 'image' | 'text' | 'document';
  readonly media_type: string;
  readonly bytes: number;
  /** Characters of its text, as the model gets it; null for a picture. */
  readonly text_chars: number | null;
}

/** Why an answer has not begun, and what can be done. */
export interface WaitingFor {
  readonly code: string;
  readonly message: string;
  readonly provider_id: string | null;
  readonly provider_name: string;
  readonly session_id: string | null;
  readonly estimate_s: number | null;
  readonly can_restart: boolean;
}

export interface Message {
  readonly id: string;
  readonly parent_id: string | null;
  readonly role: string;
  readonly content: string;
  /** Code points of `content` that stood before the answer was continued; 0 as a rule. */
  readonly continued_chars: number;
  readonly reasoning: string | null;
  readonly tool_calls: readonly Readonly<Record<string, unknown>>[] | null;
  readonly attachments: readonly Attachment[];
  readonly status: MessageStatus;
  readonly waiting: WaitingFor | null;
  readonly run_id: string | null;
  readonly model: string | null;
  readonly provider: {
    readonly id: string;
    readonly name: string;
    readonly session_name: string | null;
    readonly host: string | null;
  } | null;
  readonly error: Trouble | null;
  readonly usage: Readonly<Record<string, unknown>> | null;
  readonly timings: Timings | null;
  readonly finish_reason: string | null;
  readonly created_at: string;
}

export interface Run {
  readonly id: string;
  readonly status: string;
}

export interface Sent {
  readonly message: Message;
  readonly reply: Message;
  readonly run: Run;
}

export interface Account {
  readonly id: string;
  readonly name: string;
  readonly display_name: string | null;
  readonly is_admin: boolean;
  /** A local account: its password can be changed here. */
  readonly has_password: boolean;
  readonly hub: { readonly version: string; readonly url: string | null; readonly name: string | null };
}

/** The way to a custom provider, as far as it is shown: never its key or its headers' values. */
export interface Endpoint {
  readonly base_url: string;
  readonly has_key: boolean;
  readonly header_names: readonly string[];
  readonly has_ca: boolean;
  readonly model_allow: readonly string[] | null;
}

/** What a cluster can do, as it was found when it joined. `extra` is the scheduler's own. */
export interface Capabilities {
  readonly kind: string;
  readonly host: string;
  readonly user: string;
  readonly cpus: number | null;
  readonly gpus: readonly string[];
  readonly programs: Readonly<Record<string, string | null>>;
  readonly extra: Readonly<Record<string, unknown>>;
}

export interface Cluster extends ClusterRef {
  readonly host: string | null;
  readonly status: 'online' | 'offline';
  readonly owner: Ref | null;
  readonly capabilities: Capabilities;
  readonly created_at: string | null;
}

export interface TemplateParam {
  readonly name: string;
  readonly label: string;
  readonly type: 'text' | 'file' | 'number' | 'flag' | 'words' | 'table';
  readonly default: unknown;
  readonly required: boolean;
  readonly help: string | null;
}

export interface Template {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly params: readonly TemplateParam[];
  readonly available: boolean;
  readonly unavailable_reason: string | null;
}

export interface LogLine {
  readonly seq: number;
  readonly t: string;
  readonly source: string;
  readonly text: string;
}

/** What waits for approval on `/connect?code=…`. */
export interface DeviceRequest {
  readonly user_code: string;
  readonly purpose: 'session' | 'login';
  readonly name: string | null;
  readonly host: string | null;
  readonly user: string | null;
  readonly status: 'pending' | 'approved' | 'denied';
}

/** Whether a code is asked for beside the password; `is_possible`: there is a password it could go with. */
export interface TwoStep {
  readonly is_on: boolean;
  readonly is_possible: boolean;
  readonly since: string | null;
  readonly recovery_codes_left: number;
}

/** What an app needs, to type and to scan (`qr` is an SVG as a `data:` address). */
export interface TwoStepSecret {
  readonly secret: string;
  readonly uri: string;
  readonly qr: string;
}

export interface RecoveryCodes {
  readonly recovery_codes: readonly string[];
}

/** Who signs people in besides the hub itself. */
export interface Issuer {
  readonly name: string;
  readonly label: string;
}

export interface AuthState {
  readonly needs_setup: boolean;
  readonly signed_in: boolean;
  readonly issuers: readonly Issuer[];
  readonly trouble: Trouble | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** First event of `/api/events`. */
export interface Snapshot {
  readonly sessions: readonly Session[];
  readonly tunnels: readonly Tunnel[];
  readonly providers: readonly Provider[];
  readonly clusters: readonly Cluster[];
  /** How far the feed was when it began: it tells what comes after that. */
  readonly position: number;
}

export type FeedOp = 'upsert' | 'delete' | 'resync';
