import type { MachineFile } from './enroll-script.ts';

/** Ignition's own configuration (spec 3.3.0). Contents stay plain text, so that the secret can be found and taken out. */
export function ignitionOf(files: readonly MachineFile[], unit: { name: string; text: string }): string {
  return JSON.stringify({
    ignition: { version: '3.3.0' },
    storage: {
      files: files.map(({ path, mode, content }) => ({
        path,
        mode,
        overwrite: true,
        contents: { source: `data:,${encodeURIComponent(content)}` },
      })),
    },
    systemd: { units: [{ name: unit.name, enabled: true, contents: unit.text }] },
  });
}
