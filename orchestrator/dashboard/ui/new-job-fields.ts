import type { VNode } from 'preact';
import type { DraftField, JobDraft, Unit } from '../model/job-draft.ts';
import { UNITS } from '../model/job-draft.ts';
import { html, view } from './html.ts';

export interface FieldsProps {
  draft: JobDraft;
  change: (part: Partial<JobDraft>) => void;
  wrong: { field: DraftField; problem: string } | undefined;
}

type TextField = Exclude<DraftField, 'kind' | 'inWaves' | 'skipOffline'>;

const textOf = (event: Event): string => (event.currentTarget as HTMLInputElement).value;

const KINDS: readonly { kind: JobDraft['kind']; label: string }[] = [
  { kind: 'command', label: 'Command' },
  { kind: 'script', label: 'Script' },
  { kind: 'upgrade', label: 'Upgrade agents' },
];
const INTERPRETERS = ['/bin/sh', '/bin/bash', 'python3', 'perl', 'node'];
/** What the API takes. */
const MAX_SCRIPT_BYTES = 256 * 1024;

interface InputProps extends FieldsProps {
  name: TextField;
  label: string;
  note?: string;
  mono?: boolean;
  placeholder?: string;
  list?: string;
}

/** One line of text with its label, its note and what is wrong with it. */
function Input({ draft, change, wrong, name, label, note, mono, placeholder, list }: InputProps): VNode {
  const bad = wrong?.field === name;
  return html`<label class="field"><span>${label}</span>
    <input name=${name} class=${mono ? 'mono' : ''} value=${draft[name]} placeholder=${placeholder} list=${list}
      spellcheck="false" autocapitalize="none" autocomplete="off" aria-invalid=${bad} aria-describedby=${note === undefined ? undefined : `note-${name}`}
      onInput=${(event: Event) => change({ [name]: textOf(event) })} />
    ${note === undefined ? null : html`<small id=${`note-${name}`} class="quiet">${note}</small>`}</label>`;
}

interface TimeProps extends FieldsProps {
  name: 'timeout' | 'pause';
  unit: 'timeoutUnit' | 'pauseUnit';
  label: string;
}

function Time({ draft, change, wrong, name, unit, label }: TimeProps): VNode {
  return html`<div class="field" role="group" aria-label=${label}><span aria-hidden="true">${label}</span>
    <span class="joined">
      <input name=${name} type="number" min="0" step="any" inputmode="decimal" aria-label=${`${label}, number`} aria-invalid=${wrong?.field === name}
        value=${draft[name]} onInput=${(event: Event) => change({ [name]: textOf(event) })} />
      <select aria-label=${`${label}, unit`} value=${draft[unit]} onChange=${(event: Event) => change({ [unit]: textOf(event) as Unit })}>
        ${Object.keys(UNITS).map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
      </select>
    </span></div>`;
}

interface AreaProps extends FieldsProps {
  name: 'command' | 'script' | 'check';
  label: string;
  rows: number;
  placeholder: string;
}

function Area({ draft, change, wrong, name, label, rows, placeholder }: AreaProps): VNode {
  const lines = draft[name].split('\n').length;
  return html`<label class="field"><span>${label}</span>
    <textarea name=${name} class="mono" rows=${Math.min(24, Math.max(rows, lines))} value=${draft[name]} placeholder=${placeholder}
      spellcheck="false" autocapitalize="none" autocomplete="off" aria-invalid=${wrong?.field === name}
      onInput=${(event: Event) => change({ [name]: textOf(event) })}></textarea></label>`;
}

function ScriptFields(props: FieldsProps): VNode {
  const { draft, change } = props;
  const load = async (event: Event) => {
    const [file] = (event.currentTarget as HTMLInputElement).files ?? [];
    if (file === undefined) return;
    const { size, name } = file;
    const text = size > MAX_SCRIPT_BYTES ? '' : await file.text();
    const [, program] = /^#!\s*(?:\/usr\/bin\/env\s+)?(\S+)[ \t]*\n/.exec(text) ?? [];
    change({
      script: text,
      ...(draft.description === '' ? { description: name } : {}),
      ...(program === undefined ? {} : { interpreter: program }),
    });
  };
  const bytes = new TextEncoder().encode(draft.script).length;
  return html`<div>
    ${view(Area, { ...props, name: 'script', label: 'Script', rows: 8, placeholder: 'set -eu\n…' })}
    ${bytes > MAX_SCRIPT_BYTES ? html`<p class="bad-text">${Math.ceil(bytes / 1024)} KiB; at most ${MAX_SCRIPT_BYTES / 1024} are sent.</p>` : null}
    <div class="columns">
      ${view(Input, { ...props, name: 'interpreter', label: 'Interpreter', mono: true, list: 'interpreters' })}
      ${view(Input, { ...props, name: 'args', label: 'Arguments', mono: true, placeholder: 'v42 "with spaces"' })}
      <label class="field"><span>From a file</span><input type="file" onChange=${load} /></label>
    </div>
    <datalist id="interpreters">${INTERPRETERS.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
  </div>`;
}

export function WorkFields(props: FieldsProps): VNode {
  const { draft, change } = props;
  return html`<section class="card" aria-label="What">
    <fieldset class="field"><legend>What</legend>
      <div class="segments">${KINDS.map(
        ({ kind, label }) => html`<label key=${kind}>
          <input type="radio" name="kind" checked=${draft.kind === kind} onChange=${() => change({ kind })} /><span>${label}</span></label>`,
      )}</div></fieldset>
    ${draft.kind === 'command' ? view(Area, { ...props, name: 'command', label: 'Command, run by /bin/sh -c', rows: 3, placeholder: 'apt-get -y upgrade' }) : null}
    ${draft.kind === 'script' ? view(ScriptFields, props) : null}
    ${draft.kind === 'upgrade' ? view(Input, { ...props, name: 'version', label: 'Version', mono: true, placeholder: 'the release that this orchestrator serves' }) : null}
    <div class="columns">
      ${view(Time, { ...props, name: 'timeout', unit: 'timeoutUnit', label: 'Timeout on each machine' })}
      ${view(Input, { ...props, name: 'description', label: 'Description', placeholder: 'What it is for' })}
    </div>
  </section>`;
}

export const WhereFields = (props: FieldsProps): VNode => html`<section class="card" aria-label="Where">
    ${view(Input, {
      ...props,
      name: 'selector',
      label: 'Where',
      mono: true,
      placeholder: 'env=prod,role!=db',
      note: 'A selector: all, key=value, key!=value, id=<vm_id>, agent.key=value; terms joined by commas must all hold',
    })}
    <label class="toggle"><input type="checkbox" checked=${props.draft.skipOffline} disabled=${!props.draft.inWaves}
      onChange=${(event: Event) => props.change({ skipOffline: (event.currentTarget as HTMLInputElement).checked })} /> Leave out machines that are offline</label>
  </section>`;

export function RolloutFields(props: FieldsProps): VNode {
  const { draft, change } = props;
  return html`<section class="card" aria-label="How">
    <label class="toggle"><input type="checkbox" checked=${draft.inWaves}
      onChange=${(event: Event) => change({ inWaves: (event.currentTarget as HTMLInputElement).checked })} /> <b>In waves</b> <span class="quiet">without them all machines begin at once</span></label>
    ${
      draft.inWaves
        ? html`<div>
      <div class="columns">
        ${view(Input, { ...props, name: 'waves', label: 'Waves', mono: true, note: 'Machines, or which share, that have had their turn after each' })}
        ${view(Input, { ...props, name: 'maxFailures', label: 'Failures allowed', mono: true, note: 'A number or a share; one more stops the rest' })}
        ${view(Input, { ...props, name: 'concurrency', label: 'At the same time', mono: true, placeholder: 'the whole wave', note: 'A number or a share' })}
        ${view(Time, { ...props, name: 'pause', unit: 'pauseUnit', label: 'Pause between waves' })}
      </div>
      ${view(Area, { ...props, name: 'check', label: 'Health check after each wave (optional): must exit with 0', rows: 1, placeholder: 'curl -fsS localhost:8080/healthz' })}
    </div>`
        : null
    }
  </section>`;
}
