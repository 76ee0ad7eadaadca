import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../scripts/lib/root.ts';

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
const packages = Object.entries(lock.packages as Record<string, Locked>).filter(([path]) => path !== '');
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

describe('package-lock.json', () => {
  it('records no download address, so that any registry can serve it', () => {
    expect(packages.filter(([, entry]) => entry.resolved).map(([path]) => path)).toEqual([]);
  });

  it('pins the content of everything but the builds of development tools for other platforms', () => {
    const loose = packages.filter(([, entry]) => !entry.integrity && !(entry.dev && entry.optional));
    expect(loose.map(([path]) => path)).toEqual([]);
  });

  it('has an entry for each optional dependency, since `npm ci` refuses to run otherwise', () => {
    const paths = new Set(packages.map(([path]) => path));
    const absent = packages.flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !paths.has(`node_modules/${name}`) && !paths.has(`${path}/node_modules/${name}`),
      ),
    );
    expect(absent).toEqual([]);
  });

  it('stands for exact versions in package.json', () => {
    const wanted = {
      ...manifest.devDependencies,
      ...manifest.optionalDependencies,
      ...manifest.dependencies,
    };
    expect(Object.values<string>(wanted).filter((range) => !/^\d+\.\d+\.\d+$/.test(range))).toEqual([]);
  });
});
