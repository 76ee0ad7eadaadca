import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { CreateSavedCommandRequest, SavedCommand } from '../../../protocol/rest-schedules.ts';
import { jobLink } from '../model/route.ts';
import { safeLine } from '../model/safe-text.ts';
import { usePolling } from '../net/hooks.ts';
import { createSaved, fetchSaved, removeSaved, runSaved } from '../net/schedule-endpoints.ts';
import { ConfirmButton, Empty, ErrorBox, Loading, PageTitle, said } from './bits.ts';
import { TextField } from './form-bits.ts';
import { html, view } from './html.ts';
import { JobTabs } from './job-tabs.ts';
import { useSubmit } from './use-submit.ts';

const SAVED_EVERY_MS = 10_000;
const PLACE = /\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,31})\s*\}\}/g;

export interface SavedPageProps {
  org: string;
  mayRun: boolean;
  mayChange: boolean;
}

export function SavedPage({ org, mayRun, mayChange }: SavedPageProps): VNode {
  const { data, error, refresh } = usePolling((signal) => fetchSaved(org, signal), SAVED_EVERY_MS, [org]);
  const [adding, setAdding] = useState(false);
  const { error: failure, run } = useSubmit();
  const remove = (id: string) => void run(() => removeSaved(org, id)).then(refresh);
  const add = mayChange
    ? html`<button type="button" class="button primary" aria-expanded=${adding} onClick=${() => setAdding(!adding)}>Save a command</button>`
    : null;
  return html`<div>${view(PageTitle, { title: 'Saved commands' }, add)}
    ${view(JobTabs, { part: 'saved' })}
    ${
      adding
        ? view(NewSaved, {
            org,
            onDone: () => {
              setAdding(false);
              refresh();
            },
          })
        : null
    }
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
    ${
      data === undefined
        ? error === undefined
          ? view(Loading, { what: 'saved commands' })
          : view(ErrorBox, { error, onRetry: refresh })
        : data.length === 0
          ? view(Empty, {
              title: 'No command is saved yet',
              text: 'Save what is run often, with {{parameters}} in it; their values become words of the shell, never commands.',
            })
          : data.map((saved) =>
              view(Card, {
                key: saved.id,
                org,
                saved,
                mayRun,
                mayChange,
                onRemove: () => remove(saved.id),
              }),
            )
    }
  </div>`;
}

interface CardProps extends SavedPageProps {
  saved: SavedCommand;
  onRemove: () => void;
}

function Card({ org, saved, mayRun, mayChange, onRemove }: CardProps): VNode {
  const [values, setValues] = useState<Record<string, string>>({});
  const [selector, setSelector] = useState(saved.selector);
  const { busy, error, run } = useSubmit();
  const submit = async (event: Event) => {
    event.preventDefault();
    const parameters = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''));
    const body = { parameters, ...(selector.trim() === '' ? {} : { selector: selector.trim() }) };
    await run(async (key) => {
      const job = await runSaved(org, saved.id, body, key);
      location.hash = jobLink(job.id);
    }, body);
  };
  return html`<section class="card saved" aria-labelledby=${saved.id}>
    <div class="saved-title"><h2 id=${saved.id}>${said(saved.name)}</h2>
      ${mayChange ? view(ConfirmButton, { label: 'Remove', question: `Remove ${saved.name}`, danger: true, onConfirm: onRemove }) : null}
    </div>
    ${saved.description === '' ? null : html`<p>${said(saved.description)}</p>`}
    <pre class="code"><bdi>${saved.command.split('\n').map(safeLine).join('\n')}</bdi></pre>
    ${
      mayRun
        ? html`<form class="saved-run" aria-label=${`Run ${saved.name}`} onSubmit=${submit}>
          <div class="columns">
            ${saved.parameters.map((parameter) => {
              const { name, choices, description } = parameter;
              const onChange = (value: string) => setValues((old) => ({ ...old, [name]: value }));
              return choices === undefined
                ? view(TextField, {
                    key: name,
                    label: name,
                    value: values[name] ?? '',
                    onChange,
                    hint: description,
                    placeholder: parameter.default ?? '',
                  })
                : html`<label class="field" key=${name}><span>${name} <small class="quiet hint">${description}</small></span>
                  <select value=${values[name] ?? parameter.default ?? ''} onChange=${(event: Event) => onChange((event.currentTarget as HTMLSelectElement).value)}>
                    ${parameter.default === undefined ? html`<option value="">Choose…</option>` : null}
                    ${choices.map((choice) => html`<option key=${choice} value=${choice}>${choice}</option>`)}
                  </select></label>`;
            })}
            ${view(TextField, { label: 'Selector', value: selector, onChange: setSelector, placeholder: 'env=prod', mono: true })}
          </div>
          ${error === undefined ? null : view(ErrorBox, { error })}
          <p class="actions"><button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Sending…' : 'Run'}</button></p>
        </form>`
        : null
    }
  </section>`;
}

function NewSaved({ org, onDone }: { org: string; onDone: () => void }): VNode {
  const [draft, setDraft] = useState({ name: '', description: '', command: '', selector: '' });
  const { busy, error, run } = useSubmit();
  const set = (name: keyof typeof draft) => (value: string) => setDraft((old) => ({ ...old, [name]: value }));
  const names = [...new Set([...draft.command.matchAll(PLACE)].map((match) => match[1] ?? ''))];
  const submit = async (event: Event) => {
    event.preventDefault();
    const body: CreateSavedCommandRequest = {
      ...draft,
      name: draft.name.trim(),
      selector: draft.selector.trim(),
      parameters: names.map((name) => ({ name })),
    };
    if (await run((key) => createSaved(org, body, key), body)) onDone();
  };
  return html`<form class="card" aria-label="Save a command" onSubmit=${submit}>
    <h2>Save a command</h2>
    <div class="columns">
      ${view(TextField, { label: 'Name', value: draft.name, onChange: set('name'), placeholder: 'restart-service' })}
      ${view(TextField, { label: 'Selector', value: draft.selector, onChange: set('selector'), placeholder: 'env=prod', mono: true, hint: 'may be left for later' })}
    </div>
    ${view(TextField, { label: 'Command', value: draft.command, onChange: set('command'), mono: true, rows: 3, placeholder: 'systemctl restart {{service}}', hint: '{{name}} stands for a parameter' })}
    <p class="quiet" role="status">${names.length === 0 ? 'No parameters.' : `Parameters: ${names.join(', ')}`}</p>
    ${view(TextField, { label: 'Description', value: draft.description, onChange: set('description') })}
    ${error === undefined ? null : view(ErrorBox, { error })}
    <p class="actions"><button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Saving…' : 'Save'}</button></p>
  </form>`;
}
