import type { VNode } from 'preact';

import type { ProvisioningTokenInfo } from '../../../protocol/rest-fleet.ts';
import { fetchTokens, revokeToken } from '../net/endpoints.ts';
import { useNow, usePolling } from '../net/hooks.ts';
import { Ago, ConfirmButton, Empty, ErrorBox, LabelList, Loading, PageTitle, said, Until } from './bits.ts';
import { html, view } from './html.ts';
import { AgentsParts } from './parts.ts';
import { TokenUses } from './token-uses.ts';
import { useSubmit } from './use-submit.ts';

const TOKENS_EVERY_MS = 5000;

type TokenState = 'usable' | 'used up' | 'revoked' | 'expired';

function tokenState(token: ProvisioningTokenInfo, now: number): TokenState {
  if (token.revoked_at !== null) return 'revoked';
  if (token.used >= token.uses) return 'used up';
  return Date.parse(token.expires_at) <= now ? 'expired' : 'usable';
}

export function TokensPage({ org }: { org: string }): VNode {
  const {
    data: tokens,
    error,
    refresh,
  } = usePolling((signal) => fetchTokens(org, signal), TOKENS_EVERY_MS, [org]);
  const { error: failure, run } = useSubmit();
  const revoke = (id: string) => void run(() => revokeToken(org, id)).then(refresh);
  const create = html`<a class="button" href="#/add">Create token</a>`;
  let body: VNode;
  if (tokens === undefined)
    body =
      error === undefined ? view(Loading, { what: 'tokens' }) : view(ErrorBox, { error, onRetry: refresh });
  else if (tokens.length === 0) {
    body = view(
      Empty,
      {
        title: 'No tokens',
        text: 'A token lets machines enroll. Create one for each group of machines that get the same labels.',
      },
      html`<a class="button primary" href="#/add">Create token</a>`,
    );
  } else {
    body = html`<div class="table-box"><table class="tokens">
      <caption class="hidden">Provisioning tokens</caption>
      <thead><tr><th scope="col">Token</th><th scope="col">State</th><th scope="col">Used</th><th scope="col">Ends</th><th scope="col">Labels</th><th scope="col">Created</th><th><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${tokens.map((token) => view(TokenRow, { key: token.id, org, token, onRevoke: () => revoke(token.id) }))}</tbody>
    </table></div>`;
  }
  return html`<div>${view(PageTitle, { title: 'Tokens' }, create)}
    ${view(AgentsParts, { at: 'tokens', mayAdd: true })}
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
    ${body}
  </div>`;
}

const WINDOWS: Readonly<Record<number, string>> = { 60: 'minute', 3600: 'hour', 86400: 'day' };

function rateText({ rate }: ProvisioningTokenInfo): string | null {
  if (!rate) return null;
  return `${rate.uses} per ${WINDOWS[rate.window_s] ?? `${rate.window_s} s`}`;
}

function TokenRow({
  org,
  token,
  onRevoke,
}: {
  org: string;
  token: ProvisioningTokenInfo;
  onRevoke: () => void;
}): VNode {
  const state = tokenState(token, useNow());
  const limits = [token.vm_id_pattern, token.cidr, rateText(token)].filter((limit) => limit !== null);
  return html`<tr class=${state === 'usable' ? '' : 'past'}>
    <td class="name"><span>${token.description === '' ? html`<span class="quiet">no description</span>` : said(token.description)}</span>
      <small><code>${token.id}</code>${limits.length === 0 ? null : html` · only ${said(limits.join(', '))}`}</small></td>
    <td data-label="State"><span class=${`badge ${state === 'usable' ? 'good' : 'off'}`}>${state}</span></td>
    <td data-label="Used"><span>${token.used} of ${token.uses}
      ${token.used === 0 ? null : view(TokenUses, { org, id: token.id })}</span></td>
    <td data-label="Ends">${view(Until, { at: token.expires_at })}</td>
    <td data-label="Labels">${Object.keys(token.labels).length === 0 ? html`<span class="quiet">–</span>` : view(LabelList, { labels: token.labels })}</td>
    <td data-label="Created">${view(Ago, { at: token.created_at })}<small>${said(token.created_by)}</small></td>
    <td class="end">${
      state === 'usable'
        ? view(ConfirmButton, {
            label: 'Revoke',
            question: `Revoke token ${token.id}`,
            danger: true,
            onConfirm: onRevoke,
          })
        : null
    }</td>
  </tr>`;
}
