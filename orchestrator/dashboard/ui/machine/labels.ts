import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { parseLabels } from '../../model/format.ts';
import { changeAgent } from '../../net/agent-api.ts';
import { type ApiError, asApiError } from '../../net/api.ts';
import { ErrorBox, LabelList, said } from '../bits.ts';
import { html, view } from '../html.ts';
import type { TabProps } from './context.ts';

/** Granted labels, which rules go by, apart from what the machine says of itself. */
export function Labels({ agent, at, may, refresh }: TabProps): VNode {
  const [text, setText] = useState('');
  const [error, setError] = useState<ApiError | string | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const change = async (labels: Record<string, string | null>) => {
    setBusy(true);
    setError(undefined);
    try {
      await changeAgent(at, { labels });
      setText('');
      refresh();
    } catch (cause) {
      setError(asApiError(cause));
    }
    setBusy(false);
  };
  const onSubmit = (event: Event) => {
    event.preventDefault();
    const parsed = parseLabels(text);
    if ('wrong' in parsed) setError(`“${parsed.wrong}” is not a label. Write key=value.`);
    else if (Object.keys(parsed.labels).length > 0) void change(parsed.labels);
  };
  const granted = Object.entries(agent.labels);
  const editable = may('agents.write') && agent.state !== 'revoked';
  return html`<section class="card" aria-labelledby="labels"><h2 id="labels">Labels</h2>
    <h3>Granted</h3>
    <p class="quiet">Given by the token that it enrolled with, or here. Selectors and approval rules go by these.</p>
    ${
      granted.length === 0
        ? html`<p>None.${editable ? ' Add one to select this machine by it.' : ''}</p>`
        : html`<ul class="labels editable" aria-label="Granted labels">${granted.map(
            ([key, value]) => html`<li key=${key}>${said(`${key}=${value}`)}
              ${
                editable
                  ? html`<button type="button" class="remove" disabled=${busy} aria-label=${`Remove label ${key}`} onClick=${() => void change({ [key]: null })}><span aria-hidden="true">×</span></button>`
                  : null
              }</li>`,
          )}</ul>`
    }
    ${
      editable
        ? html`<form class="inline-form" onSubmit=${onSubmit}>
            <label class="field"><span>Set labels</span>
              <input class="mono" value=${text} placeholder="env=prod role=web" autocomplete="off" spellcheck=${false}
                onInput=${(event: Event) => setText((event.currentTarget as HTMLInputElement).value)} /></label>
            <button class="button" disabled=${busy || text.trim() === ''}>Set</button>
          </form>`
        : null
    }
    ${typeof error === 'string' ? html`<p class="notice bad" role="alert">${error}</p>` : null}
    ${error !== undefined && typeof error !== 'string' ? view(ErrorBox, { error }) : null}
    <h3>Reported by the machine</h3>
    <p class="quiet">Its own word, from agent_config.yaml. Selectors match it only as <code>agent.KEY=…</code>.</p>
    ${
      Object.keys(agent.reported_labels).length === 0
        ? html`<p>None.</p>`
        : view(LabelList, { labels: agent.reported_labels, note: 'Labels that the machine itself reports' })
    }
  </section>`;
}
