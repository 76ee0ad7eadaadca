import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../fakes/free-port.ts';
import { startOidcProvider, type TestProvider } from '../integration/support/oidc-provider.ts';
import { type OrchestratorProcess, startOrchestrator } from '../integration/support/orchestrator.ts';
import { launchBrowser, openPage, signIn, type WatchedPage } from './support/browser.ts';

// Whoever looks at the pages themselves sets this to a folder for their pictures.
const PICTURES = process.env['VM_AGENT_PICTURES'];

let browser: Browser;
let orchestrator: OrchestratorProcess;
let provider: TestProvider;
let watched: WatchedPage;
let page: Page;

beforeAll(async () => {
  const port = await freePort();
  provider = await startOidcProvider(`https://127.0.0.1:${port}/api/v1/oidc/callback`);
  [browser, orchestrator] = await Promise.all([
    launchBrowser(),
    startOrchestrator({
      listen: `127.0.0.1:${port}`,
      args: ['--oidc-issuer', provider.issuer, '--oidc-client-id', provider.clientId],
      env: {
        VM_ORCHESTRATOR_OIDC_CLIENT_SECRET: provider.clientSecret,
        VM_ORCHESTRATOR_OIDC__NAME: 'Example ID',
        VM_ORCHESTRATOR_OIDC__SCOPES: '[openid, profile, groups]',
        VM_ORCHESTRATOR_OIDC__ORGANIZATIONS: '{default: {vm-ops: operator}}',
      },
    }),
  ]);
  watched = await openPage(browser, orchestrator.url, { ignoreHTTPSErrors: true });
  page = watched.page;
});
afterAll(async () => {
  await browser?.close();
  await orchestrator?.stop();
  await provider?.close();
  expect(watched.complaints).toEqual([]);
});

const button = (name: string | RegExp, within: Pick<Page, 'getByRole'> = page) =>
  within.getByRole('button', { name });
const section = async (name: string) => {
  await page.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
};

/** As people see it, wide and narrow, by day and by night. */
async function picture(name: string): Promise<void> {
  for (const [width, colorScheme] of [
    [1440, 'light'],
    [390, 'dark'],
  ] as const) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    expect(overflow, `${name} at ${width}`).toBeLessThanOrEqual(0);
    if (PICTURES !== undefined)
      await page.screenshot({ path: `${PICTURES}/${name}-${width}.png`, fullPage: true });
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}

describe('the settings', () => {
  it('are reached after signing in', async () => {
    await picture('login');
    await signIn(page, 'admin', orchestrator.credentials.admin_password);
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('heading', { level: 1, name: 'Account' }).waitFor();
    await page.getByText('this one').waitFor();
    await picture('account');
  });

  it('make a user, show his password once, and refuse a name twice', async () => {
    await section('All users');
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Name', { exact: true }).fill('Alice <b>Example</b>');
    await page.getByLabel('Role in default').selectOption('operator');
    await button('Create user').click();
    const password = await page.getByLabel('the password', { exact: true }).textContent();
    expect(password).toMatch(/^[a-z0-9]{24}$/);
    await page.getByRole('row').filter({ hasText: 'Alice <b>Example</b>' }).waitFor();
    await page.getByLabel('User name').fill('alice');
    await button('Create user').click();
    await page.getByRole('alert').filter({ hasText: 'alice already' }).waitFor();
    await picture('all-users');
  });

  it('keep the role that is chosen while the list of users comes', async () => {
    await section('Users');
    const list = Promise.withResolvers<void>();
    await page.route(/\/api\/v1\/users(\?|$)/, async (route) => {
      await list.promise;
      await route.continue();
    });
    await section('All users');
    await page.getByLabel('Role in default').selectOption('approver');
    list.resolve();
    await page.getByRole('row').filter({ hasText: 'alice' }).waitFor();
    expect(await page.getByLabel('Role in default').inputValue()).toBe('approver');
    await page.unroute(/\/api\/v1\/users(\?|$)/);
  });

  it('change a role by the keyboard alone', async () => {
    await section('Users');
    const row = page.getByRole('row').filter({ hasText: 'alice' });
    await row.getByLabel('Role of alice').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await button('Save', row).waitFor({ state: 'detached' });
    expect(await row.getByLabel('Role of alice').inputValue()).toBe('approver');
    await picture('users');
  });

  it('make an API token with scopes, shown once, and revoke it', async () => {
    await section('API tokens');
    await page.getByLabel('Name', { exact: true }).fill('backup');
    await page.getByLabel(/^Role/).selectOption('operator');
    await page.getByText('Only some of these rights').click();
    await page.getByLabel('agents.read').check();
    await page.getByLabel('jobs.run').check();
    await button('Create token').click();
    const token = (await page.getByLabel('the API token', { exact: true }).textContent()) ?? '';
    const who = await orchestrator.call<{ organizations: unknown }>({ path: '/api/v1/session', token });
    expect(who.body.organizations).toMatchObject([
      { role: 'operator', permissions: ['agents.read', 'jobs.run'] },
    ]);
    await picture('api-tokens');
    const row = page.getByRole('row').filter({ hasText: 'backup' });
    await button('Revoke API token backup', row).click();
    await button('Yes, revoke', row).click();
    await row.waitFor({ state: 'detached' });
  });

  it('make, rename and delete an organization', async () => {
    await section('Organization');
    await page.getByRole('form', { name: 'New organization' }).getByLabel('Name').fill('acme');
    await button('Create').click();
    await page.getByRole('heading', { level: 2, name: 'acme', exact: true }).waitFor();
    await page.getByRole('form', { name: 'Rename the organization' }).getByLabel('Name').fill('acme-2');
    await button('Rename').click();
    await page.getByRole('heading', { level: 2, name: 'acme-2', exact: true }).waitFor();
    await picture('organization');
    await button('Delete the organization acme-2').click();
    await button('Yes, delete').click();
    await page.getByRole('heading', { level: 2, name: 'default', exact: true }).waitFor();
  });
});

it('shows a new provisioning token in each form in which it is used', async () => {
  await page.getByRole('link', { name: 'Agents', exact: true }).first().click();
  await page.getByRole('link', { name: 'Tokens', exact: true }).click();
  await page.getByRole('link', { name: 'Create token' }).first().click();
  await page.getByText('Which machines, and how fast').click();
  await page.getByLabel('Only machines named').fill('vm-web-*');
  await page.getByLabel('Only from the network').fill('10.0.0.0/8');
  await page.getByLabel('At most so many').fill('10');
  await picture('add');
  await button('Create token').click();
  await page.getByText('The token alone').click();
  const token = (await page.getByLabel('Provisioning token').textContent()) ?? '';
  for (const [summary, label] of [
    ['cloud-init user-data', 'cloud-init user-data'],
    ['Pulumi', 'Pulumi'],
  ] as const) {
    await page.getByText(summary, { exact: true }).click();
    expect(await page.getByLabel(label, { exact: true }).textContent()).toContain(token);
  }
  await picture('made');
  await page.getByRole('link', { name: 'Agents', exact: true }).first().click();
  await page.getByRole('link', { name: 'Tokens', exact: true }).click();
  await page.getByRole('row').filter({ hasText: 'only vm-web-*, 10.0.0.0/8, 10 per hour' }).waitFor();
  await picture('tokens');
});

describe('signing in with the provider', () => {
  it('brings a person of a group in, who sees no more than his role', async () => {
    provider.person = { sub: 'sub-bob', preferred_username: 'bob', groups: ['vm-ops'] };
    await button('Sign out').click();
    await page.getByRole('link', { name: 'Sign in with Example ID' }).click();
    await page.getByText('bob', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('heading', { level: 1, name: 'Account' }).waitFor();
    expect(
      await page.getByRole('navigation', { name: 'Settings' }).getByRole('link').allTextContents(),
    ).toEqual(['Account', 'Organization']);
  });

  it('says so when it did not succeed, in words that no link can choose', async () => {
    await button('Sign out').click();
    await page.goto(`${orchestrator.url}/api/v1/oidc/callback?code=x&state=y`);
    await page.getByRole('alert').filter({ hasText: 'Single sign-on did not succeed' }).waitFor();
    await page.goto(`${orchestrator.url}/#/sign-in?failed=Call+this+number`);
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
  });
});
