import { describe, expect, it } from 'vitest';
import { connectSteps, followed, isReady } from './connect';
import { provider, session, tunnel } from './samples';

describe('connecting a model', () => {
  it('shows three steps that wait for their turn', () => {
    expect(connectSteps(null, null, null).map(({ status }) => status)).toEqual([null, null, null]);
  });

  it('fills in one after the other, in words', () => {
    const steps = connectSteps(session(), tunnel(), provider({ status: 'loading', status_reason: 'loading 63 %' }));
    expect(steps.map(({ words }) => words)).toEqual(['running on gpu-17', 'vLLM, loading 63 %', 'running']);
    expect(isReady(steps)).toBe(false);
    expect(isReady(connectSteps(session(), tunnel(), provider()))).toBe(true);
  });

  it('says why a session ended', () => {
    const over = session({ status: 'failed', end_reason: 'out_of_memory', end_message: 'It ran out of memory. Ask for more.' });
    expect(connectSteps(over, null, null)[0]?.words).toBe('It ran out of memory. Ask for more.');
    expect(connectSteps(session({ status: 'stopped', end_reason: 'walltime' }), null, null)[0]?.words).toBe('time limit reached');
  });

  it('follows the session that was started here, else the newest that is new', () => {
    const [a, b] = [session({ id: 'a' }), session({ id: 'b' })];
    expect(followed([b, a], null, new Set(['a']))?.id).toBe('b');
    expect(followed([b, a], 'a', new Set())?.id).toBe('a');
    expect(followed([a], null, new Set(['a']))).toBeNull();
  });
});
