import type { VNode } from 'preact';

import { useRef, useState } from 'preact/hooks';
import type { CreateTokenRequest, CreateTokenResponse } from '../../../protocol/rest-fleet.ts';
import { parseLabels } from '../model/format.ts';
import { ApiError, asApiError } from '../net/api.ts';
import { createToken } from '../net/endpoints.ts';
import { useIdempotencyKey } from '../net/hooks.ts';
import { Arrivals } from './arrivals.ts';
import { CopyButton, ErrorBox, PageTitle, Until } from './bits.ts';
import { html, view } from './html.ts';

const LIFETIMES: readonly { seconds: number; label: string }[] = [
  { seconds: 900, label: '15 minutes' },
  { seconds: 3600, label: '1 hour' },
  { seconds: 24 * 3600, label: '24 hours' },
  { seconds: 7 * 24 * 3600, label: '7 days' },
  { seconds: 30 * 24 * 3600, label: '30 days' },
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
  return {
    uses: Number(data.get('uses')),
    ttl_s: Number(data.get('ttl')),
    labels: parsed.labels,
    description: String(data.get('description') ?? ''),
  };
}

export function AddPage({ org }: { org: string }): VNode {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const [made, setMade] = useState<CreateTokenResponse | undefined>(undefined);
  const idempotency = useIdempotencyKey();
  const form = useRef<HTMLFormElement>(null);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy || form.current === null) return;
    setBusy(true);
    setError(undefined);
    try {
      const body = readForm(form.current);
      setMade(await createToken(org, body, idempotency.keyFor(body)));
      idempotency.settle();
    } catch (cause) {
      setError(asApiError(cause));
    }
    setBusy(false);
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
          <input name="uses" type="number" min="1" max="100000" step="1" value="1" required aria-describedby="uses-note" />
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
      ${error === undefined ? null : view(ErrorBox, { error })}
      <p class="actions"><button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Creating…' : 'Create token'}</button></p>
    </form>
  </div>`;
}

function MadeToken({ made, onAnother }: { made: CreateTokenResponse; onAnother: () => void }): VNode {
  return html`<section class="card made" aria-labelledby="made-title">
    <div class="card-title"><h2 id="made-title">Run this on the machine, as root</h2>${view(CopyButton, { text: made.one_liner, what: 'the line' })}</div>
    <pre class="code" tabIndex="0" aria-label="One-line installer">${made.one_liner}</pre>
    <p class="notice warn"><span><strong>Shown once.</strong> Only a hash of the token is kept; copy the line before you leave this page. The token ends ${view(Until, { at: made.expires_at })}.</span></p>
    <details>
      <summary>Other ways to use this token</summary>
      <div class="card-title"><h3>From a checkout</h3>${view(CopyButton, { text: made.setup_command, what: 'the command for a checkout' })}</div>
      <pre class="code" tabIndex="0" aria-label="Command for a checkout">${made.setup_command}</pre>
      <div class="card-title"><h3>The token alone</h3>${view(CopyButton, { text: made.token, what: 'the token' })}</div>
      <pre class="code" tabIndex="0" aria-label="Provisioning token">${made.token}</pre>
    </details>
    <p class="actions"><button type="button" class="button" onClick=${onAnother}>Create another</button></p>
  </section>`;
}
