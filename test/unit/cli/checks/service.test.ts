import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { JOURNAL_CHECK, PORT_CHECK } from '../../../../cli/checks/agent.ts';
import { SERVICE_CHECKS } from '../../../../cli/checks/service.ts';
import { type Answers, fakeBench, fakeHost, findingsOf } from '../../../fakes/fake-bench.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const ALL = [...SERVICE_CHECKS, JOURNAL_CHECK];
const show = (properties: string) => `systemctl show --property=${properties}`;
const STATE = show('ActiveState,SubState,Result,MainPID');

const SOUND: Answers = {
  [show('NeedDaemonReload')]: 'NeedDaemonReload=no\nDropInPaths=\n',
  [show('UnitFileState')]: 'UnitFileState=enabled\n',
  [STATE]:
    'ActiveState=active\nSubState=running\nResult=success\nMainPID=7\nActiveEnterTimestampMonotonic=1000000\n',
  [show('NRestarts')]: 'NRestarts=0\nActiveEnterTimestampMonotonic=1000000\n',
  [show('ActiveState,UnitFileState')]: 'ActiveState=active\nUnitFileState=enabled\n',
  'systemd-analyze': '→ Overall exposure level for vm-agent.service: 2.6 OK\n',
  'journalctl -u vm-agent.service -p err': '',
  journalctl: 'last words\n',
  'systemctl daemon-reload': '',
  'systemctl enable': '',
};

async function machine(answers: Answers = {}, units: readonly string[] = ['vm-agent.service']) {
  const home = await createTempHome();
  const host = fakeHost({ ...answers, ...SOUND, ...answers });
  const bench = fakeBench(home.path, { system: true, host });
  await mkdir(`${bench.layout.current}/units`, { recursive: true });
  await mkdir(bench.unitDir);
  await mkdir(bench.proc);
  await writeFile(`${bench.proc}/uptime`, '100.00 1.00\n');
  for (const unit of units) await writeFile(`${bench.layout.current}/units/${unit}`, unit);
  await writeFile(`${bench.unitDir}/vm-agent.service`, 'vm-agent.service');
  const look = async (mode: 'look' | 'fix' = 'look') => {
    const found = await findingsOf(ALL, bench, mode);
    const of = (result: string) => found.filter((finding) => finding.result === result).map(({ id }) => id);
    return { found, failed: of('fail'), warned: of('warn') };
  };
  return { home, bench, host, look };
}

describe('the service', () => {
  it('is found as it should be; commands run inside the daemon where no executor is shipped', async () => {
    const { home, look } = await machine();
    await using _ = home;
    const { found, failed, warned } = await look();
    expect({ failed, warned }).toEqual({ failed: [], warned: [] });
    expect(found.find(({ id }) => id === 'executor.units')).toMatchObject({
      result: 'info',
      detail: expect.stringContaining('inside the daemon'),
    });
    expect(found.find(({ id }) => id === 'service.active')?.detail).toBe('active for 99 seconds, pid 7');
  });

  it.each<[string, Answers, { failed?: string[]; warned?: string[] }]>([
    [
      'is stopped',
      { [STATE]: 'ActiveState=inactive\nSubState=dead\nResult=success\nMainPID=0\n' },
      { failed: ['service.active'] },
    ],
    [
      'ends again and again',
      { [STATE]: 'ActiveState=activating\nSubState=auto-restart\n' },
      { failed: ['service.active'] },
    ],
    [
      'does not start at boot',
      { [show('UnitFileState')]: 'UnitFileState=disabled\n' },
      { failed: ['service.enabled'] },
    ],
    [
      'was restarted lately',
      { [show('NRestarts')]: 'NRestarts=4\nActiveEnterTimestampMonotonic=1\n' },
      { warned: ['service.restarts'] },
    ],
    [
      'is opened by a drop-in',
      { 'systemd-analyze': 'Overall exposure level for x: 9.2 UNSAFE' },
      { warned: ['service.security'] },
    ],
    [
      'is not what systemd has read',
      { [show('NeedDaemonReload')]: 'NeedDaemonReload=yes\nDropInPaths=\n' },
      { failed: ['service.unit'] },
    ],
    [
      'has errors in the journal',
      { 'journalctl -u vm-agent.service -p err': 'bad\nworse\n' },
      { warned: ['journal'] },
    ],
  ])('is found to be one that %s', async (_what, answers, { failed = [], warned = [] }) => {
    const { home, look } = await machine(answers);
    await using _ = home;
    expect(await look()).toMatchObject({ failed, warned });
  });

  it('gets its unit back, and systemd reads it', async () => {
    const { home, bench, host, look } = await machine();
    await using _ = home;
    await writeFile(`${bench.unitDir}/vm-agent.service`, 'edited');
    expect((await look()).failed).toEqual(['service.unit']);
    expect((await look('fix')).failed).toEqual([]);
    expect(await readFile(`${bench.unitDir}/vm-agent.service`, 'utf8')).toBe('vm-agent.service');
    expect(host.ran).toContain('systemctl daemon-reload');
  });

  it('has an executor whose units are all as shipped, or none', async () => {
    const units = ['vm-agent.service', 'vm-agent-exec.socket', 'vm-agent-exec@.service'];
    const { home, bench, look } = await machine({}, units);
    await using _ = home;
    expect((await look()).failed).toEqual([]);
    await writeFile(`${bench.unitDir}/vm-agent-exec.socket`, 'vm-agent-exec.socket');
    expect((await look()).failed).toEqual(['executor.units']);
    expect((await look('fix')).failed).toEqual([]);
    expect(await readFile(`${bench.unitDir}/vm-agent-exec@.service`, 'utf8')).toBe('vm-agent-exec@.service');
  });
});

describe('the port', () => {
  it('is free, or another program’s that is named', async () => {
    await using home = await createTempHome();
    const free = fakeBench(home.path, { system: true });
    expect(await findingsOf([PORT_CHECK], free)).toMatchObject([{ result: 'ok' }]);
    const taken = fakeBench(home.path, {
      system: true,
      host: fakeHost({}, { isPortFree: async () => false }),
    });
    expect(await findingsOf([PORT_CHECK], taken)).toMatchObject([
      { result: 'fail', detail: 'port 1 is taken by another program' },
    ]);
  });
});
