import type { Signal } from '@preact/signals';
import type { TemplateParam } from '../api/types';
import type { Typed } from '../state/form';

interface ParamProps {
  readonly param: TemplateParam;
  readonly typed: Signal<Typed>;
}

const idOf = (param: TemplateParam): string => `param-${param.name.replaceAll(' ', '-')}`;

function Control({ param, typed }: ParamProps) {
  const id = idOf(param);
  const value = typed.value[param.name] ?? '';
  const set = (text: string): void => {
    typed.value = { ...typed.value, [param.name]: text };
  };
  const hasHelp = param.help !== null && param.help !== '';
  const common = { id, class: 'input', required: param.required, 'aria-describedby': hasHelp ? `${id}-help` : undefined };
  if (param.type === 'table') {
    return (
      <textarea
        {...common}
        rows={2}
        spellcheck={false}
        placeholder="NAME=value, one a line"
        value={value}
        onInput={(event) => set(event.currentTarget.value)}
      />
    );
  }
  return (
    <input
      {...common}
      type="text"
      inputMode={param.type === 'number' ? 'decimal' : 'text'}
      autocomplete="off"
      autocapitalize="none"
      spellcheck={false}
      value={value}
      onInput={(event) => set(event.currentTarget.value)}
    />
  );
}

/** One thing that a template asks for, as a field of its type. */
export function Param({ param, typed }: ParamProps) {
  const id = idOf(param);
  const help = param.help !== null && param.help !== '' && <p class="help" id={`${id}-help`}>{param.help}</p>;
  if (param.type === 'flag') {
    return (
      <div class="field is-wide">
        <label class="check">
          <input
            type="checkbox"
            checked={typed.value[param.name] === 'true'}
            onChange={(event) => (typed.value = { ...typed.value, [param.name]: String(event.currentTarget.checked) })}
          />
          {param.label}
        </label>
        {help}
      </div>
    );
  }
  return (
    <div class={param.type === 'table' || param.type === 'words' ? 'field is-wide' : 'field'}>
      <label for={id}>
        {param.label}
        {!param.required && <span class="optional"> optional</span>}
      </label>
      <Control param={param} typed={typed} />
      {help}
    </div>
  );
}
