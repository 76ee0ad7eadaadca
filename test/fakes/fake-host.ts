import type { Host } from '../../provision/host.ts';

/** A machine as the installer asks about it: root on a current Debian with systemd, unless the test says otherwise. */
export const fakeHost = (over: Partial<Host> = {}): Host => ({
  uid: 0,
  platform: 'linux',
  arch: 'x64',
  hostname: 'fake',
  instance: async () => undefined,
  node: process.execPath,
  env: {},
  run: async () => ({ code: 0, stdout: 'running\n', stderr: '' }),
  which: async (program) => `/usr/bin/${program}`,
  terminate: () => undefined,
  userIds: async () => undefined,
  freeBytes: async () => 1e12,
  isPortFree: async () => true,
  freePort: async () => 4711,
  glibcVersion: () => '2.36',
  osRelease: async () => ({ ID: 'debian', PRETTY_NAME: 'Debian GNU/Linux 12 (bookworm)' }),
  ...over,
});
