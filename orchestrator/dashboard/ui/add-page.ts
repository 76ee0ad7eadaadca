import type { VNode } from 'preact';

import { useRef, useState } from 'preact/hooks';
import type { CreateTokenRequest, CreateTokenResponse } from '../../../protocol/rest-fleet.ts';
import { parseLabels } from '../model/format.ts';
import { ApiError } from '../net/api.ts';
import { createToken } from '../net/endpoints.ts';
import { Arrivals } from './arrivals.ts';
import { ErrorBox, PageTitle } from './bits.ts';
import { html, view } from './html.ts';
import { MadeToken } from './made-token.ts';
import { useSubmit } from './use-submit.ts';

const LIFETIMES: readonly { seconds: number; label: string }[] = [
  { seconds: 900, label: '15 minutes' },
  { seconds: 3600, label: '1 hour' },
  { seconds: 24 * 3600, label: '24 hours' },
  { seconds: 7 * 24 * 3600, label: '7 days' },
  { seconds: 30 * 24 * 3600, label: '30 days' },
];

const RATE_WINDOWS: readonly { seconds: number; label: string }[] = [
  { seconds: 60, label: 'a minute' },
  { seconds: 3600, label: 'an hour' },
  { seconds: 24 * 3600, label: 'a day' },
];

/** The form's fields as the API wants them. @throws ApiError that names the label it cannot read. */
function readForm(form: HTMLFormElement): CreateTokenRequest {
  const data = new FormData(form);
  const parsed = parseLabels(String(data.get('labels') ?? ''));
  if ('wrong' in parsed) {
    throw new ApiError(400, {
      detail: `“${parsed.wrong}” is not a label.`,
      hint: 'Write labels as key=value, with spaces or commas between them.',
    });
  }
  const text = (name: string) => String(data.get(name) ?? '').trim();
  const rate = Number(data.get('rate'));
  return {
    uses: Number(data.get('uses')),
    ttl_s: Number(data.get('ttl')),
    labels: parsed.labels,
    description: text('description'),
    ...(text('vm_id_pattern') === '' ? {} : { vm_id_pattern: text('vm_id_pattern') }),
    ...(text('cidr') === '' ? {} : { cidr: text('cidr') }),
    ...(rate > 0 ? { rate: { uses: rate, window_s: Number(data.get('rate_window')) } } : {}),
  };
}

export function AddPage({ org }: { org: string }): VNode {
  const { busy, error, run } = useSubmit();
  const [made, setMade] = useState<CreateTokenResponse | undefined>(undefined);
  const form = useRef<HTMLFormElement>(null);

  const submit = async (event: Event) => {
    event.preventDefault();
    const filled = form.current;
    if (filled === null) return;
    await run(
      async (key) => setMade(await createToken(org, readForm(filled), key)),
      [...new FormData(filled)],
    );
  };

  const crumb = html`<p class="crumb"><a href="#/agents">Agents</a></p>`;
  if (made !== undefined) {
    return html`<div>${crumb}${view(PageTitle, { title: 'Add machine' })}
      ${view(MadeToken, { made, onAnother: () => setMade(undefined) })}
      ${view(Arrivals, { org, key: made.id })}
    </div>`;
  }
  return html`<div>${crumb}${view(PageTitle, { title: 'Add machine' })}
    <form ref=${form} class="card token-form" onSubmit=${submit} aria-label="Create token">
      <p>A provisioning token lets a machine enroll itself. You get one line to run on it.</p>
      <div class="columns">
        <label class="field"><span>Machines</span>
          <input name="uses" type="number" min="1" max="100000" step="1" defaultValue="1" required aria-describedby="uses-note" />
          <small id="uses-note" class="quiet">How many may use this token</small></label>
        <label class="field"><span>Valid for</span>
          <select name="ttl" defaultValue="86400">${LIFETIMES.map(
            ({ seconds, label }) =>
              html`<option key=${seconds} value=${seconds} selected=${seconds === 86_400}>${label}</option>`,
          )}</select></label>
        <label class="field"><span>Labels</span>
          <input name="labels" class="mono" placeholder="env=prod role=web" spellcheck="false" autocapitalize="none" aria-describedby="labels-note" />
          <small id="labels-note" class="quiet">Granted to these machines; selectors match them</small></label>
        <label class="field"><span>Description</span>
          <input name="description" maxlength="256" placeholder="What it is for" /></label>
      </div>
      <details>
        <summary>Which machines, and how fast</summary>
        <div class="columns">
          <label class="field"><span>Only machines named</span>
            <input name="vm_id_pattern" class="mono" maxlength="128" placeholder="vm-web-*" spellcheck="false" autocapitalize="none" aria-describedby="pattern-note" />
            <small id="pattern-note" class="quiet">A pattern of their vm_id, with * and ?</small></label>
          <label class="field"><span>Only from the network</span>
            <input name="cidr" class="mono" maxlength="64" placeholder="10.0.0.0/8" spellcheck="false" autocapitalize="none" aria-describedby="cidr-note" />
            <small id="cidr-note" class="quiet">Address and length, as this orchestrator sees them</small></label>
          <label class="field"><span>At most so many</span>
            <input name="rate" type="number" min="1" max="100000" step="1" placeholder="as they come" /></label>
          <label class="field"><span>within</span>
            <select name="rate_window">${RATE_WINDOWS.map(
              ({ seconds, label }) =>
                html`<option key=${seconds} value=${seconds} selected=${seconds === 3600}>${label}</option>`,
            )}</select></label>
        </div>
      </details>
      ${error === undefined ? null : view(ErrorBox, { error })}
      <p class="actions"><button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Creating…' : 'Create token'}</button></p>
    </form>
  </div>`;
}
