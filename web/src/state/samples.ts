/** Made-up things of the hub for the tests of this room. */
import type { ChatSummary, Cluster, Message, Provider, Session, Tunnel } from '../api/types';

const owner = { id: 'usr_1', name: 'alice' };
const created_at = '2026-11-20T08:00:00Z';

export function session(fields: Partial<Session> = {}): Session {
  return {
    id: 'ses_1', name: 'box', status: 'running', status_reason: '', end_reason: null, end_message: null, attached: false,
    cluster: null, template: 'vllm', host: 'gpu-17', owner, created_at, started_at: null, running_at: null, ended_at: null,
    wall_time_ends_at: null, idle_stops_at: null, renews: null, renewed_by: null, job_id: null, params: null, tunnels: [], ...fields,
  };
}

export function tunnel(fields: Partial<Tunnel> = {}): Tunnel {
  return {
    id: 'tun_1', name: 'box', session_id: 'ses_1', target: '127.0.0.1:8000', openai: true, status: 'running', owner,
    provider_id: 'prv_1', bytes_in: 0, bytes_out: 0, streams: 0, created_at, ...fields,
  };
}

export function cluster(fields: Partial<Cluster> = {}): Cluster {
  return {
    id: 'cls_1', name: 'alpha', kind: 'slurm', host: 'login1', status: 'online', owner, created_at,
    capabilities: { kind: 'slurm', host: 'login1', user: 'alice', cpus: 8, gpus: [], programs: {}, extra: {} }, ...fields,
  };
}

export function provider(fields: Partial<Provider> = {}): Provider {
  return {
    id: 'prv_1', name: 'box', type: 'openai-tunnel', owner, status: 'running', status_reason: '',
    models: [{ id: 'box/llama', name: 'llama', max_model_len: 32768 }], server: { kind: 'vLLM', version: '0.32' }, description: '', endpoint: null,
    shareable: false,
    session: { id: 'ses_1', name: 'box', status: 'running', host: 'gpu-17', cluster: 'alpha', gpus: [], wall_time_ends_at: null },
    tunnel: { id: 'tun_1', status: 'running', target: '127.0.0.1:8000' }, updated_at: created_at, ...fields,
  };
}

export function chat(fields: Partial<ChatSummary> = {}): ChatSummary {
  return {
    id: 'cht_1', title: 'Fan curves', model: null, folder: null, is_pinned: false, is_archived: false, is_temporary: false,
    is_shared: false, head_id: null, match: null, created_at, updated_at: created_at, ...fields,
  };
}

export function message(fields: Partial<Message> = {}): Message {
  return {
    id: 'msg_1', parent_id: null, role: 'user', content: 'hello', continued_chars: 0, reasoning: null, tool_calls: null,
    attachments: [], status: 'complete', waiting: null, run_id: null, model: null, provider: null, error: null, usage: null, timings: null, finish_reason: null, created_at, ...fields,
  };
}
