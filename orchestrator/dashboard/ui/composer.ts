import type { VNode } from 'preact';

import { useState } from 'preact/hooks';
import type { CreateJobRequest } from '../../../protocol/rest-jobs.ts';
import { plural } from '../model/format.ts';
import { jobLink } from '../model/route.ts';
import { canRun, type Known, resolveTarget, type TargetMode } from '../model/targets.ts';
import { createJob } from '../net/endpoints.ts';
import { createStore, useStore } from '../net/store.ts';
import { ErrorBox } from './bits.ts';
import { html, view } from './html.ts';
import { useSubmit } from './use-submit.ts';

const UNITS = { s: 1, min: 60, h: 3600 } as const;
type Unit = keyof typeof UNITS;

export interface Draft {
  command: string;
  timeout: string;
  unit: Unit;
  selector: string;
  mode: TargetMode;
}

/** Outlives the page, so that neither a look elsewhere nor a new sign-in loses what was typed. */
export const draft = createStore<Draft>({
  command: '',
  timeout: '5',
  unit: 'min',
  selector: '',
  mode: 'online',
});

export interface ComposerProps {
  org: string;
  agents: readonly Known[];
  selected: ReadonlySet<string>;
  /** Given on a machine's own page: there is nothing to choose. */
  only?: Known;
}

export function Composer({ org, agents, selected, only }: ComposerProps): VNode {
  const current = useStore(draft);
  const { busy, error, run } = useSubmit();
  const change = (part: Partial<Draft>) => draft.set({ ...draft.get(), ...part });

  const target =
    only === undefined
      ? resolveTarget(current.mode, agents, selected, current.selector)
      : resolveTarget('selected', [only], new Set([only.agent_id]), '');
  const timeout = Number(current.timeout) * UNITS[current.unit];
  const problem =
    current.command.trim() === ''
      ? 'Write a command.'
      : Number.isFinite(timeout) && timeout > 0 && timeout <= 604_800
        ? target.problem
        : 'The timeout is more than 0 and at most 7 days.';
  const [tried, setTried] = useState(false);

  const submit = async (event: Event) => {
    event.preventDefault();
    setTried(true);
    if (problem !== undefined) return;
    const body: CreateJobRequest = {
      selector: target.selector,
      tool: 'execute_shell_command',
      arguments: { command: current.command },
      timeout,
      ...(target.expiresIn === undefined ? {} : { expires_in: target.expiresIn }),
    };
    await run(async (key) => {
      const job = await createJob(org, body, key);
      // What was sent is in its job, where it can be run again: no other machine's page offers it.
      change({ command: '' });
      location.hash = jobLink(job.id);
    }, body);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void submit(event);
  };
  const inputValue = (event: Event) => (event.currentTarget as HTMLInputElement).value;

  return html`<form class="card composer" onSubmit=${submit} aria-label="Run a command">
    <label class="field">
      <span>Command <small class="quiet hint">run by <code>/bin/sh -c</code><span class="keys"> · Ctrl+Enter to run</span></small></span>
      <textarea class="mono" rows=${Math.min(12, Math.max(2, current.command.split('\n').length))} value=${current.command}
        spellcheck="false" autocapitalize="none" autocomplete="off" placeholder="uname -a; uptime"
        onInput=${(event: Event) => change({ command: inputValue(event) })} onKeyDown=${onKeyDown}></textarea>
    </label>
    <div class="composer-row">
      ${only === undefined ? view(Targets, { current, change, agents, selected }) : null}
      <div class="field timeout" role="group" aria-label="Timeout">
        <span aria-hidden="true">Timeout</span>
        <span class="joined">
          <input type="number" min="0.1" step="any" inputmode="decimal" aria-label="Timeout, number" value=${current.timeout}
            onInput=${(event: Event) => change({ timeout: inputValue(event) })} />
          <select aria-label="Timeout, unit" value=${current.unit} onChange=${(event: Event) => change({ unit: inputValue(event) as Unit })}>
            ${Object.keys(UNITS).map((unit) => html`<option key=${unit} value=${unit}>${unit}</option>`)}
          </select>
        </span>
      </div>
      <button class="button primary run" type="submit" aria-disabled=${busy}>${busy ? 'Sending…' : 'Run'}</button>
    </div>
    <p class="selector quiet" aria-live="polite">
      ${
        tried && problem !== undefined
          ? html`<span class="bad-text">${problem}</span>`
          : target.problem !== undefined
            ? target.problem
            : html`<span class="selector-text">Selector <code title=${target.selector}>${target.selector}</code></span>
              ${target.note === '' ? null : html`<span class="warn-text">${target.note}</span>`}`
      }
    </p>
    ${error === undefined ? null : view(ErrorBox, { error })}
  </form>`;
}

interface TargetsProps {
  current: Draft;
  change: (part: Partial<Draft>) => void;
  agents: readonly Known[];
  selected: ReadonlySet<string>;
}

function Targets({ current, change, agents, selected }: TargetsProps): VNode {
  const choices: readonly { mode: TargetMode; label: string }[] = [
    { mode: 'online', label: `All online (${agents.filter(canRun).length})` },
    { mode: 'selected', label: `Selected (${selected.size})` },
    { mode: 'selector', label: 'Selector' },
  ];
  return html`<fieldset class="field targets">
    <legend>Where <span class="hidden">(${plural(agents.length, 'machine')})</span></legend>
    <div class="segments">
      ${choices.map(
        ({ mode, label }) => html`<label key=${mode}>
          <input type="radio" name="target" checked=${current.mode === mode} onChange=${() => change({ mode })} />
          <span>${label}</span>
        </label>`,
      )}
    </div>
    ${
      current.mode === 'selector'
        ? html`<input class="mono" aria-label="Selector" placeholder="env=prod,role!=db" spellcheck="false" autocapitalize="none" value=${current.selector}
          onInput=${(event: Event) => change({ selector: (event.currentTarget as HTMLInputElement).value })} />`
        : null
    }
  </fieldset>`;
}
