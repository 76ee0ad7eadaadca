import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { ApiToken, CreateApiTokenResponse } from '../../../../protocol/rest-fleet.ts';
import { useNow, usePolling } from '../../net/hooks.ts';
import { fetchApiTokens, revokeApiToken } from '../../net/people.ts';
import { Ago, ConfirmButton, Empty, ErrorBox, Loading, said, Until } from '../bits.ts';
import { html, view } from '../html.ts';
import { may, type Session } from '../session.ts';
import { useSubmit } from '../use-submit.ts';
import { ApiTokenForm } from './api-token-form.ts';
import { SettingsPage, ShownOnce } from './layout.ts';

const TOKENS_EVERY_MS = 10_000;

export function ApiTokensPage({ session }: { session: Session }): VNode {
  const { org } = session;
  const { data, error, refresh } = usePolling((signal) => fetchApiTokens(org, signal), TOKENS_EVERY_MS, [
    org,
  ]);
  const [made, setMade] = useState<CreateApiTokenResponse | undefined>(undefined);
  const { error: failure, run } = useSubmit();
  const writes = may(session, 'api_tokens.write');
  const revoke = (id: string) =>
    void run(async () => {
      await revokeApiToken(org, id);
    }).then(refresh);
  const onMade = (token: CreateApiTokenResponse) => {
    setMade(token);
    refresh();
  };
  let body: VNode;
  if (data === undefined)
    body =
      error === undefined
        ? view(Loading, { what: 'API tokens' })
        : view(ErrorBox, { error, onRetry: refresh });
  else if (data.length === 0)
    body = view(Empty, {
      title: 'No API tokens',
      text: 'Programs and the command line prove themselves by one. Create it with the least rights that do.',
    });
  else
    body = html`<div class="table-box"><table>
      <caption class="hidden">API tokens</caption>
      <thead><tr><th scope="col">Token</th><th scope="col">Rights</th><th scope="col">Ends</th><th scope="col">Last used</th><th scope="col">Created</th><th><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${data.map((token) => view(TokenRow, { key: token.id, token, writes, onRevoke: () => revoke(token.id) }))}</tbody>
    </table></div>`;
  return view(
    SettingsPage,
    { session, at: '#/settings/api-tokens', title: 'API tokens' },
    html`<div>
      ${
        made === undefined
          ? null
          : view(
              ShownOnce,
              { title: `API token ${made.name}`, secret: made.token, what: 'the API token' },
              html`<span>Programs send it as <code>Authorization: Bearer …</code>; the command line reads <code>VM_ORCHESTRATOR_API_TOKEN</code>.</span>`,
            )
      }
      ${writes ? view(ApiTokenForm, { session, onMade }) : null}
      ${failure === undefined ? null : view(ErrorBox, { error: failure })}
      ${body}
    </div>`,
  );
}

function TokenRow({
  token,
  writes,
  onRevoke,
}: {
  token: ApiToken;
  writes: boolean;
  onRevoke: () => void;
}): VNode {
  const over = token.expires_at !== null && Date.parse(token.expires_at) <= useNow();
  return html`<tr class=${over ? 'past' : ''}>
    <td class="name"><span>${said(token.name)}</span><small><code>${token.id}</code></small></td>
    <td data-label="Rights"><span class="badge off">${token.system_admin ? 'whole orchestrator' : token.role}</span>
      ${token.scopes === null ? null : html`<small class="scopes">${token.scopes.join(' ')}</small>`}</td>
    <td data-label="Ends">${token.expires_at === null ? html`<span class="quiet">when revoked</span>` : view(Until, { at: token.expires_at })}</td>
    <td data-label="Last used">${token.last_used_at === null ? html`<span class="quiet">never</span>` : view(Ago, { at: token.last_used_at })}</td>
    <td data-label="Created">${view(Ago, { at: token.created_at })} <small>${said(token.created_by)}</small></td>
    <td class="end">${
      writes
        ? view(ConfirmButton, {
            label: 'Revoke',
            question: `Revoke API token ${token.name}`,
            danger: true,
            onConfirm: onRevoke,
          })
        : null
    }</td>
  </tr>`;
}
