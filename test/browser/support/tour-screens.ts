import type { Page } from 'playwright-core';
import type { Screen } from './screens.ts';

const press = (name: string | RegExp) => (on: Page) =>
  on.getByRole('main').getByRole('button', { name }).first().click();
const reveal = (text: string) => (on: Page) => on.getByText(text, { exact: true }).first().click();
/** Every page in the states that it has; `{host}` stands for an agent's identifier, `<…>` for what the tour made. */
export const SCREENS: readonly Screen[] = [
  { name: 'overview', hash: '#/', shows: 'Expires soon' },
  { name: 'agents', hash: '#/agents', shows: 'machines online' },
  {
    name: 'agents-selector',
    hash: '#/agents?q=web',
    shows: 'machines online',
    open: (on) => on.getByText('Selector', { exact: true }).first().click(),
  },
  { name: 'add', hash: '#/add', shows: 'A provisioning token', open: reveal('Which machines, and how fast') },
  {
    name: 'token-made',
    hash: '#/add',
    shows: 'A provisioning token',
    async open(on) {
      await press('Create token')(on);
      for (const way of ['Without root', 'cloud-init user-data', 'Pulumi', 'From a checkout'])
        await reveal(way)(on);
    },
  },
  { name: 'agent', hash: '#/agents/{web-1}', shows: 'Host name' },
  { name: 'agent-overview', hash: '#/agents/{web-1}/overview', shows: 'Host name' },
  { name: 'agent-offline', hash: '#/agents/{db-1}/overview', shows: 'Host name' },
  { name: 'agent-offline-files', hash: '#/agents/{db-1}/files', shows: /offline/ },
  {
    name: 'agent-metrics',
    hash: '#/agents/{web-1}/metrics',
    shows: 'CPU',
    open: (on) => on.locator('canvas').last().waitFor(),
  },
  { name: 'agent-metrics-none', hash: '#/agents/{db-1}/metrics', shows: /CPU|Nothing was reported/ },
  {
    name: 'agent-metrics-tables',
    hash: '#/agents/{web-1}/metrics?range=6h',
    shows: 'CPU',
    open: (on) => on.getByLabel('Show as tables').check(),
  },
  {
    name: 'agent-processes',
    hash: '#/agents/{web-1}/processes',
    shows: 'Processes',
    open: (on) => on.getByRole('table').waitFor(),
  },
  { name: 'agent-files', hash: '#/agents/{web-1}/files?path=<folder>', shows: 'nginx.conf' },
  {
    name: 'agent-file',
    hash: '#/agents/{web-1}/files?file=<folder>%2Fnginx.conf',
    shows: 'worker_processes',
  },
  {
    name: 'agent-file-diff',
    hash: '#/agents/{web-1}/files?file=<folder>%2Fnginx.conf',
    shows: 'worker_processes',
    async open(on) {
      await press('Edit')(on);
      await on.getByLabel(/^Content of/).fill('worker_processes 8;\nuser www-data;\n');
      await press('Review changes')(on);
      await on.getByRole('region', { name: 'What the change does' }).waitFor();
    },
  },
  { name: 'agent-logs', hash: '#/agents/{web-1}/logs', shows: 'Choose a log' },
  {
    name: 'agent-log',
    hash: '#/agents/{web-1}/logs?log=<folder>%2Fapp.log',
    shows: 'written while one looks',
    async open(on) {
      await press(/^Analyze the last/)(on);
      await on.getByText('What stands out').waitFor();
    },
  },
  { name: 'agent-commands', hash: '#/agents/{web-1}/commands', shows: 'restart of nginx' },
  { name: 'agent-certificate', hash: '#/agents/{web-1}/certificate', shows: /days left/ },
  { name: 'agent-audit', hash: '#/agents/{web-1}/audit', shows: 'tool.call' },
  {
    name: 'agent-terminal',
    hash: '#/agents/{web-1}/terminal',
    shows: 'Connected',
    async open(on) {
      await on.keyboard.type('ls -la /\n');
      await on.locator('.xterm-rows').getByText('root').first().waitFor();
    },
  },
  { name: 'agent-recordings', hash: '#/agents/{web-1}/recordings', shows: 'exit 0' },
  { name: 'recordings', hash: '#/recordings', shows: 'exit 0' },
  { name: 'replay', hash: '#/recordings/<recording>', shows: 'Cut long waits' },
  { name: 'tokens', hash: '#/tokens', shows: 'role=cache' },
  { name: 'jobs', hash: '#/jobs', shows: 'restart of nginx' },
  { name: 'job-new', hash: '#/jobs/new', shows: 'wave 1' },
  {
    name: 'job-waves',
    hash: '#/jobs/<rollout>',
    shows: 'Roll out version 2',
    open: async (on) => {
      await press('Compare outputs')(on);
      await on
        .getByText(/identical|differ/)
        .first()
        .waitFor();
    },
  },
  { name: 'job-waiting', hash: '#/jobs/<waiting>', shows: 'Security upgrade' },
  { name: 'schedules', hash: '#/schedules', shows: 'nightly-upgrade' },
  { name: 'schedule-new', hash: '#/schedules', shows: 'nightly-upgrade', open: press('New schedule') },
  { name: 'saved', hash: '#/saved', shows: 'restart-service' },
  { name: 'saved-new', hash: '#/saved', shows: 'restart-service', open: press('Save a command') },
  { name: 'approvals', hash: '#/approvals', shows: 'Security upgrade' },
  { name: 'approvals-ended', hash: '#/approvals/ended', shows: 'restart of nginx' },
  { name: 'approval-rules', hash: '#/approvals/rules', shows: 'restarts', open: press('Add rule') },
  { name: 'locks', hash: '#/locks', shows: 'audit in progress' },
  {
    name: 'audit',
    hash: '#/audit',
    shows: 'approval.request',
    async open(on) {
      await press('Verify the log')(on);
      await on.getByText('The log is good.').waitFor();
      await on
        .getByText(/^№ \d+$/)
        .first()
        .click();
    },
  },
  { name: 'settings', hash: '#/settings', shows: 'this one' },
  { name: 'settings-users', hash: '#/settings/users', shows: 'petra' },
  { name: 'settings-api-tokens', hash: '#/settings/api-tokens', shows: 'backup' },
  { name: 'settings-organization', hash: '#/settings/organization', shows: 'default' },
  { name: 'settings-all-users', hash: '#/settings/all-users', shows: 'petra' },
  { name: 'missing', hash: '#/nothing', shows: 'There is no such page' },
];
