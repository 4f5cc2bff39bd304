/** The shapes of what admins see and change; see `types.ts`. */
import type { ClusterRef, EndReason, Ref, SessionStatus, TunnelStatus } from './types';

export interface User {
  readonly id: string;
  readonly name: string;
  readonly display_name: string;
  readonly email: string | null;
  readonly is_admin: boolean;
  readonly is_disabled: boolean;
  readonly has_password: boolean;
  readonly has_two_step: boolean;
  readonly created_at: string | null;
}

/** `members` are users' ids; null for who is no admin. `claimed`: those whom a sign-in issuer puts there. */
export interface Group {
  readonly id: string;
  readonly name: string;
  readonly members: readonly string[] | null;
  readonly claimed: readonly string[] | null;
  readonly created_at: string | null;
}

/** How much somebody may ask of models; null: as much as they like. */
export interface Limits {
  readonly requests_per_minute: number | null;
  readonly tokens_per_day: number | null;
}

/** What an admin sees of a session. */
export interface AnySession {
  readonly id: string;
  readonly owner: Ref;
  readonly status: SessionStatus;
  readonly end_reason: EndReason | null;
  readonly attached: boolean;
  readonly cluster: ClusterRef | null;
  readonly host: string | null;
  readonly created_at: string | null;
  readonly ended_at: string | null;
  readonly wall_time_ends_at: string | null;
}

/** What an admin sees of a tunnel: of somebody else's neither name nor target. */
export interface AnyTunnel {
  readonly id: string;
  readonly name: string | null;
  readonly status: TunnelStatus;
  readonly owner: Ref;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly created_at: string | null;
}

export interface AuditEntry {
  readonly id: string;
  readonly at: string | null;
  readonly actor_id: string | null;
  readonly action: string;
  readonly subject: string;
  readonly address: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** A setting of the hub in force, and where its value came from. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly source: string;
  readonly effect: string;
  readonly is_default: boolean;
}

export interface Permissions {
  readonly users: readonly Ref[];
  readonly groups: readonly Ref[];
  readonly everyone: boolean;
}
