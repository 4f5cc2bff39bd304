import { describe, expect, it } from 'vitest';
import type { Template, TemplateParam } from '../api/types';
import { bestTemplate, commonObstacle, toParams, typedDefault, usableFirst } from './form';

const param = (name: string, type: TemplateParam['type'], value: unknown = null): TemplateParam => ({
  name, label: name, type, default: value, required: false, help: null,
});

describe('the form of a template', () => {
  it('sends what was filled in, each in its own type', () => {
    const params = [param('model', 'text'), param('gpus', 'number'), param('env', 'table'), param('args', 'words'), param('shell', 'flag'), param('none', 'text')];
    const typed = { model: ' m ', gpus: '2', env: 'A=1\n B = x=y \n', args: '--a "b c"', shell: 'true', none: ' ' };
    expect(toParams(params, typed)).toEqual({ model: 'm', gpus: 2, env: { A: '1', B: ' x=y' }, args: '--a "b c"', shell: true });
  });

  it('leaves a wrong number for the hub to name, and a flag that is off away', () => {
    expect(toParams([param('gpus', 'number'), param('shell', 'flag')], { gpus: 'two', shell: 'false' })).toEqual({ gpus: 'two' });
  });

  it('begins with what was chosen before, else with a template that needs nothing', () => {
    const template = (name: string, available = true): Template => ({ name, title: name, description: '', params: [], available, unavailable_reason: null });
    const all = [template('custom'), template('vllm', false), template('demo')];
    expect(bestTemplate(all, null)?.name).toBe('demo');
    expect(bestTemplate(all, 'custom')?.name).toBe('custom');
    expect(bestTemplate(all, 'vllm')?.name).toBe('demo');
    expect(bestTemplate([template('custom')], null)?.name).toBe('custom');
    expect(bestTemplate([], null)).toBeNull();
    expect(usableFirst(all).map(({ name }) => name)).toEqual(['demo', 'custom', 'vllm']);
  });

  it('says once why nothing can be started, and nothing when something can', () => {
    const template = (available: boolean, reason: string | null): Template => ({ name: 't', title: '', description: '', params: [], available, unavailable_reason: reason });
    expect(commonObstacle([template(false, 'no cluster'), template(false, 'no cluster')])).toBe('no cluster');
    expect(commonObstacle([template(false, 'no cluster'), template(true, null)])).toBeNull();
    expect(commonObstacle([template(false, 'no cluster'), template(false, 'no vllm')])).toBeNull();
    expect(commonObstacle([])).toBeNull();
  });

  it('shows defaults as text', () => {
    expect(typedDefault(param('a', 'words', ['x', 'y']))).toBe('x y');
    expect(typedDefault(param('a', 'table', { A: 1 }))).toBe('A=1');
    expect(typedDefault(param('a', 'number', 4))).toBe('4');
    expect(typedDefault(param('a', 'text'))).toBe('');
  });
});
