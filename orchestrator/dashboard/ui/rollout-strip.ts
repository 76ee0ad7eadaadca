import type { VNode } from 'preact';
import type { CommandState } from '../../../protocol/command.ts';
import type { Rollout, Wave } from '../../../protocol/rest-rollout.ts';
import { plural } from '../model/format.ts';
import { jobLink } from '../model/route.ts';
import { safeLine } from '../model/safe-text.ts';
import { STATE_ORDER, stateLabel, stateTone, type Tone } from '../model/states.ts';
import { Until } from './bits.ts';
import { html, view } from './html.ts';

const TONES: readonly Tone[] = ['good', 'bad', 'busy', 'off', 'wait'];
const WORDS: Readonly<Record<Wave['state'], string>> = {
  waiting: 'waiting',
  running: 'running',
  pausing: 'passed, pausing',
  gate: 'checking health',
  passed: 'passed',
  stopped: 'stopped here',
  skipped: 'never begun',
};

function tonesOf(counts: ReadonlyMap<CommandState, number>): Map<Tone, number> {
  const tones = new Map<Tone, number>();
  for (const [state, n] of counts) tones.set(stateTone(state), (tones.get(stateTone(state)) ?? 0) + n);
  return tones;
}

export interface RolloutStripProps {
  rollout: Rollout;
  /** Of each wave from 1 on, as it is now. */
  counts: ReadonlyMap<number, ReadonlyMap<CommandState, number>>;
}

/** The waves side by side: how large each is, and how its machines stand. */
export function RolloutStrip({ rollout, counts }: RolloutStripProps): VNode {
  const { waves, state, failures, max_failures, concurrency, stop_detail, resumes_at } = rollout;
  return html`<section class="card rollout" aria-label="Waves">
    <div class="card-title"><h2>Waves</h2><span class=${`badge ${toneOf(state)}`}>${state.replace('_', ' ')}</span></div>
    ${stop_detail === null ? null : html`<p class="notice bad" role="status"><span><strong>Stopped:</strong> ${safeLine(stop_detail)}. Nothing more was begun; what was at work went on to its end.</span></p>`}
    ${state === 'paused' ? html`<p class="notice warn" role="status"><span><strong>Paused.</strong> Nothing new is given to machines; what is at work goes on.</span></p>` : null}
    <ol class="waves">${waves.map((wave) => view(WaveBar, { key: wave.wave, wave, counts: counts.get(wave.wave) ?? new Map() }))}</ol>
    <p class="meta">
      <span>${plural(failures, 'failure')}, ${max_failures === 0 ? 'none' : `at most ${max_failures}`} allowed</span>
      <span>at most ${plural(concurrency, 'machine')} at a time</span>
      ${resumes_at === null || state === 'paused' ? null : html`<span>next wave ${view(Until, { at: resumes_at })}</span>`}
      ${rollout.plan.check === undefined ? null : html`<span>check <code>${safeLine(rollout.plan.check.command).slice(0, 120)}</code></span>`}
      ${rollout.plan.offline === 'skip' ? html`<span>offline machines left out</span>` : null}
    </p>
  </section>`;
}

const toneOf = (state: Rollout['state']): Tone =>
  state === 'completed'
    ? 'good'
    : state === 'stopped'
      ? 'bad'
      : state === 'running'
        ? 'busy'
        : state === 'cancelled'
          ? 'off'
          : 'wait';

function WaveBar({ wave, counts }: { wave: Wave; counts: ReadonlyMap<CommandState, number> }): VNode {
  const tones = tonesOf(counts);
  const total = Math.max(1, wave.size);
  const said = STATE_ORDER.filter((state) => counts.has(state))
    .map((state) => `${counts.get(state)} ${stateLabel(state)}`)
    .join(', ');
  let at = 0;
  return html`<li class=${`wave at-${wave.state}`} style=${{ flexGrow: Math.max(1, Math.sqrt(wave.size)) }}>
    <p class="wave-head"><b>Wave ${wave.wave}</b> <span>${plural(wave.size, 'machine')}</span></p>
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label=${said === '' ? 'nothing yet' : said}>
      <rect class="rail" width="100" height="8" />
      ${TONES.map((tone) => {
        const width = ((tones.get(tone) ?? 0) / total) * 100;
        const x = at;
        at += width;
        return width === 0 ? null : html`<rect key=${tone} class=${tone} x=${x} width=${width} height="8" />`;
      })}
    </svg>
    <p class="wave-foot">${WORDS[wave.state]}${wave.unhealthy.length === 0 ? null : html`, <span class="bad-text" title=${wave.unhealthy.join(' ')}>${wave.unhealthy.length} unwell</span>`}
      ${wave.check_job_id === null ? null : html` · <a href=${jobLink(wave.check_job_id)}>check</a>`}</p>
    <p class="wave-foot quiet">${said === '' ? ' ' : said}</p>
  </li>`;
}
