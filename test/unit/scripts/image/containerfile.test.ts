import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readContainerfile } from '../../../../scripts/image/containerfile.ts';
import { ROOT } from '../../../../scripts/lib/root.ts';

const shipped = (name: string) => readFileSync(join(ROOT, 'infra/containers', name, 'Containerfile'), 'utf8');

const SMALL = `# comment
ARG PACKAGES="a b"
FROM x AS first
COPY ignored /ignored
FROM x
ARG PACKAGES
RUN one \\
    && two
COPY --from=first /runtime /lib/runtime
# between
COPY a.mjs b.mjs /lib/
ARG VERSION=
LABEL title="two words" \\
      version="\${VERSION}"
ENV A=1
USER 7:8
ENTRYPOINT ["/bin/a"]
`;

describe('a Containerfile', () => {
  it('says packages, files and settings of its last stage', () => {
    expect(readContainerfile(SMALL, { VERSION: '1.2.3' })).toEqual({
      packages: ['a', 'b'],
      copies: [{ from: ['a.mjs', 'b.mjs'], to: '/lib/' }],
      runtime: '/lib/runtime',
      config: {
        user: { uid: 7, gid: 8 },
        workdir: '/',
        entrypoint: ['/bin/a'],
        cmd: [],
        env: { A: '1' },
        labels: { title: 'two words', version: '1.2.3' },
        volumes: [],
        ports: [],
        stopSignal: 'SIGTERM',
      },
    });
  });

  it.each(['agent', 'orchestrator'])('of the %s is understood, and both have one base', (name) => {
    const { packages, copies, config } = readContainerfile(shipped(name), { VERSION: '1.2.3' });
    expect(packages).toEqual(['ca-certificates', 'libstdc++6', 'procps', 'tini']);
    expect(copies.flatMap(({ from }) => from)).toContain('container/base.sh');
    expect(config.labels['org.opencontainers.image.version']).toBe('1.2.3');
  });

  it.each([
    ['HEALTHCHECK NONE', 'HEALTHCHECK is not known here'],
    ['USER root', 'USER must be UID:GID'],
    ['CMD run', 'CMD must be a JSON list'],
  ])('with %s is refused', (line, why) => {
    expect(() => readContainerfile(`${SMALL}${line}\n`, {})).toThrow(why);
  });
});
