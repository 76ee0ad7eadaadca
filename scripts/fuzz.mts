// `npm run fuzz -- [--minutes N] [--target NAME] [--seed N] [--input FILE]`: every parser that faces a peer, on inputs
// that follow the code that they reach. What fails is kept in test/fuzz/corpus/, where every later run begins.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fuzz, keepInput, tryInput } from '../test/fuzz/engine.ts';
import { FUZZ_TARGETS } from '../test/fuzz/targets.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    target: { type: 'string', multiple: true, default: [] },
    seed: { type: 'string', default: String(Math.floor(performance.timeOrigin) % 1_000_000) },
    input: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const names = FUZZ_TARGETS.map(({ name }) => name);
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
const unknown = values.target.filter((name) => !names.includes(name));
if (values.help || unknown.length > 0 || !(minutes > 0) || !Number.isInteger(seed)) {
  if (unknown.length > 0) say(`no target is called ${unknown.join(', ')}`);
  say('usage: npm run fuzz -- [--minutes N] [--target NAME]… [--seed N] [--input FILE] [--list]');
  process.exit(values.help ? 0 : 2);
}
if (values.list) {
  say(names.join('\n'));
  process.exit(0);
}
const targets = FUZZ_TARGETS.filter(({ name }) => values.target.length === 0 || values.target.includes(name));
const again = (name: string, path: string) => `npm run fuzz -- --target ${name} --input ${path}`;

let failures = 0;
if (values.input !== undefined) {
  for (const target of targets) {
    const why = await tryInput(target, readFileSync(values.input));
    say(`${target.name}: ${why ?? 'nothing is wrong'}`);
    if (why !== undefined) failures++;
  }
} else {
  const share = (minutes * 60_000) / targets.length;
  say(`seed ${seed}, ${targets.length} targets, ${Math.round(share / 1000)} s each`);
  for (const target of targets) {
    const ends = performance.now() + share;
    let told = performance.now();
    const report = await fuzz(target, {
      inputs: Number.POSITIVE_INFINITY,
      seed,
      until: () => performance.now() > ends,
      onProgress({ inputs, kept, blocks }) {
        if (performance.now() - told < 10_000) return;
        told = performance.now();
        say(`  ${target.name}: ${inputs} inputs, ${kept} kept, ${blocks} blocks`);
      },
    });
    const { failure, inputs, kept, blocks } = report;
    say(`${failure ? 'FAILED' : 'ok'} ${target.name}: ${inputs} inputs, ${kept} kept, ${blocks} blocks`);
    if (failure === undefined) continue;
    failures++;
    const path = keepInput(target.name, failure.input);
    say(`${failure.why}\n  kept as ${path}; again: ${again(target.name, path)}`);
  }
}
process.exitCode = failures === 0 ? 0 : 1;
