import type { VNode } from 'preact';
import type { CreateTokenResponse } from '../../../protocol/rest-fleet.ts';
import { CopyButton, Until } from './bits.ts';
import { html, view } from './html.ts';

interface Way {
  title: string;
  /** For the button and for who hears the page. */
  what: string;
  text: string | undefined;
  label?: string;
  note?: string;
}

const waysOf = (made: CreateTokenResponse): Way[] => [
  {
    title: 'Without root',
    what: 'the line for an installation without root',
    text: made.user_one_liner,
    label: 'One-line installer without root',
    note: 'Installs into ~/.vm-agent. Commands run with your rights alone; the last lines say how to start the agent.',
  },
  {
    title: 'cloud-init user-data',
    what: 'the user-data',
    text: made.user_data,
    note: 'Give it to a new VM of any cloud: it enrolls itself when it boots.',
  },
  {
    title: 'Pulumi',
    what: 'the Pulumi program',
    text: made.pulumi,
    note: 'Keeps the user-data as a secret of the stack.',
  },
  {
    title: 'From a checkout',
    what: 'the command for a checkout',
    text: made.setup_command,
    note: 'In a folder with the sources of vm-agent.',
  },
  {
    title: 'The token alone',
    what: 'the token',
    label: 'Provisioning token',
    text: made.token,
    note: 'For every other way, such as Ansible or an image.',
  },
];

/** A new token in every form in which it is used. It is gone with this page. */
export function MadeToken({ made, onAnother }: { made: CreateTokenResponse; onAnother: () => void }): VNode {
  return html`<section class="card made" aria-labelledby="made-title">
    <div class="card-title"><h2 id="made-title">Run this on the machine, as root</h2>${view(CopyButton, { text: made.one_liner, what: 'the line' })}</div>
    <pre class="code" tabIndex="0" aria-label="One-line installer">${made.one_liner}</pre>
    <p class="notice warn"><span><strong>Shown once.</strong> Only a hash of the token is kept; copy what you need before you leave this page. The token ends ${view(Until, { at: made.expires_at })}.</span></p>
    ${waysOf(made).map((way) => (way.text === undefined ? null : view(WayBox, { key: way.what, way, text: way.text })))}
    <p class="actions"><button type="button" class="button" onClick=${onAnother}>Create another</button></p>
  </section>`;
}

const WayBox = ({ way, text }: { way: Way; text: string }): VNode => html`<details>
  <summary>${way.title}</summary>
  <div class="card-title"><p class="quiet">${way.note ?? ''}</p>${view(CopyButton, { text, what: way.what })}</div>
  <pre class="code" tabIndex="0" aria-label=${way.label ?? way.title}>${text}</pre>
</details>`;
