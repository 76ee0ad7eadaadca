import type { VNode } from 'preact';
import type { CertificateInfo } from '../../../../protocol/rest-calls.ts';
import { certificateLeft, colons } from '../../model/certificate.ts';
import { fetchCertificates } from '../../net/agent-api.ts';
import { useNow, usePolling } from '../../net/hooks.ts';
import { Ago, absolute, CopyButton, Empty, ErrorBox, Loading, said } from '../bits.ts';
import { html, view } from '../html.ts';
import type { TabProps } from './context.ts';

const EVERY_MS = 30_000;

export function CertificateTab({ at }: TabProps): VNode {
  const { data, error, refresh } = usePolling((signal) => fetchCertificates(at, signal), EVERY_MS, [
    at.org,
    at.id,
  ]);
  if (data === undefined)
    return error === undefined
      ? view(Loading, { what: 'certificates' })
      : view(ErrorBox, { error, onRetry: refresh });
  const [current, ...earlier] = data;
  if (current === undefined)
    return view(Empty, { title: 'No certificate', text: 'The machine was never given one. Enroll it anew.' });
  return html`<div>
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: refresh })}
    ${view(Current, { certificate: current })}
    <section class="card" aria-labelledby="renewals"><h2 id="renewals">Renewals</h2>
      <p class="quiet">Agents renew by themselves at half of the time, a tenth earlier or later, with a new key.</p>
      ${earlier.length === 0 ? html`<p>None yet: this is the certificate that it enrolled with.</p>` : view(Earlier, { items: earlier })}
    </section>
  </div>`;
}

function Current({ certificate }: { certificate: CertificateInfo }): VNode {
  const { days, tone } = certificateLeft(certificate, useNow());
  const revoked = certificate.revoked_at !== null;
  const text =
    days < 0
      ? 'expired'
      : days === 0
        ? 'less than a day left'
        : `${days} ${days === 1 ? 'day' : 'days'} left`;
  const rows: [string, unknown][] = [
    ['Valid', html`${absolute(certificate.not_before)} – ${absolute(certificate.not_after)}`],
    [
      'SHA-256',
      html`<code class="fingerprint">${colons(certificate.fingerprint)}</code> ${view(CopyButton, { text: certificate.fingerprint, what: 'the fingerprint' })}`,
    ],
    ['Serial', html`<code>${said(certificate.serial)}</code>`],
    ['Subject', said(certificate.subject)],
    ['Issuer', said(certificate.issuer)],
    [
      'Names',
      html`<ul class="plain">${certificate.names.map((name) => html`<li key=${name}>${said(name)}</li>`)}</ul>`,
    ],
    [
      'First used',
      certificate.first_used_at === null ? 'not yet' : view(Ago, { at: certificate.first_used_at }),
    ],
  ];
  return html`<section class="card" aria-labelledby="certificate"><h2 id="certificate">Certificate
      <span class=${`badge ${revoked ? 'bad' : tone}`}>${revoked ? 'revoked' : text}</span></h2>
    ${
      tone === 'good' || revoked
        ? null
        : html`<p class=${`notice ${tone === 'bad' ? 'bad' : ''}`} role="note">It should have renewed by now. Look at the agent’s log (Logs, unit vm-agent.service); vm-agent diagnose on the machine says what keeps it from it.</p>`
    }
    <dl class="facts">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
  </section>`;
}

const Earlier = ({ items }: { items: readonly CertificateInfo[] }): VNode =>
  html`<div class="table-box"><table>
    <caption class="hidden">Earlier certificates</caption>
    <thead><tr><th scope="col">Given</th><th scope="col">Ended</th><th scope="col">SHA-256</th></tr></thead>
    <tbody>${items.map(
      (
        item,
      ) => html`<tr key=${item.fingerprint}><td>${view(Ago, { at: item.created_at })}</td><td>${absolute(item.revoked_at ?? item.not_after)}</td>
        <td><code class="fingerprint">${item.fingerprint.slice(0, 16)}…</code></td></tr>`,
    )}</tbody></table></div>`;
