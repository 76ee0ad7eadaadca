import { isFinal } from '../../protocol/command.ts';
import type { Job, JobWithCommands } from '../../protocol/rest-jobs.ts';
import type { OutputGroups, Preview, Rollout } from '../../protocol/rest-rollout.ts';
import { table } from './print.ts';

// How rollouts read on a terminal. Text from VMs is kept plain by whoever prints it.

const BAR = 24;
/** Control characters of what a VM said, except line ends and tabs. */
const plainLines = (text: string): string => text.replace(/[\p{Cc}--[\n\t]]/gv, '?');

export const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;

export const countsText = (counts: Job['counts']): string =>
  Object.entries(counts)
    .map(([state, n]) => `${n} ${state.replace('_', ' ')}`)
    .join(', ');

export function stateText(job: Pick<Job, 'state' | 'rollout'>): string {
  if (job.rollout === null) return job.state;
  const { state, wave, waves, stop_detail: detail } = job.rollout;
  if (state === 'stopped') return `stopped in wave ${wave} of ${waves.length}: ${detail ?? 'unknown reason'}`;
  if (state === 'running' || state === 'paused') return `${state}, wave ${wave} of ${waves.length}`;
  return state.replace('_', ' ');
}

export function wavesTable(rollout: Rollout): string {
  const rows = rollout.waves.map(({ wave, size, state, counts, unhealthy, check_job_id }) => [
    String(wave),
    String(size),
    state,
    countsText(counts) || '-',
    unhealthy.length === 0 ? '-' : unhealthy.slice(0, 5).join(',') + (unhealthy.length > 5 ? ',…' : ''),
    check_job_id ?? '-',
  ]);
  return table(['WAVE', 'MACHINES', 'STATE', 'COMMANDS', 'UNWELL', 'CHECK'], rows);
}

export function previewText(preview: Preview): string {
  const { total, online, offline, unsupported, waves, notices, targets, omitted } = preview;
  const head = `${plural(total, 'machine')}: ${online} online, ${offline} offline${unsupported > 0 ? `, ${unsupported} without this tool` : ''}\n`;
  const plan =
    waves.length === 0 ? '' : `${waves.map(({ wave, size }) => `wave ${wave}: ${size}`).join(', ')}\n`;
  const limits =
    preview.concurrency === null
      ? ''
      : `at most ${preview.concurrency} at work at the same time; stops when more than ${preview.max_failures} fail\n`;
  const said = notices.map(({ text }) => `! ${text}\n`).join('');
  const rows = targets.map(({ vm_id, wave, online: here, note }) => [
    vm_id,
    wave === null ? '-' : String(wave),
    here ? 'online' : 'offline',
    note ?? '',
  ]);
  const rest = omitted === 0 ? '' : `and ${omitted} more\n`;
  return `${head}${plan}${limits}${said}\n${table(['VM', 'WAVE', 'STATE', 'NOTE'], rows)}${rest}`;
}

/** One line that tells how far a rollout is, for a terminal. */
export function progressText(ends: ReadonlyMap<string, string>, total: number, wave: string): string {
  const done = ends.size;
  const failed = [...ends.values()].filter((state) =>
    ['failed', 'timed_out', 'refused', 'unknown'].includes(state),
  );
  const filled = total === 0 ? 0 : Math.floor((done / total) * BAR);
  const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}`;
  return `[${bar}] ${done}/${total}${failed.length > 0 ? `, ${failed.length} failed` : ''}${wave}`;
}

/** What is left to say at the end: who did not run, and why, in few lines. */
export function reportText(job: JobWithCommands): string {
  const reasons = new Map<string, string[]>();
  for (const { state, why, vm_id } of job.commands) {
    if (state === 'succeeded' && why === null) continue;
    const key = `${isFinal(state) ? state.replace('_', ' ') : `still ${state}`}${why === null ? '' : ` (${why})`}`;
    reasons.set(key, [...(reasons.get(key) ?? []), vm_id]);
  }
  const lines = [...reasons].map(([reason, names]) => {
    const shown = names.slice(0, 10).join(' ');
    return `  ${names.length} ${reason}: ${shown}${names.length > 10 ? ` and ${names.length - 10} more` : ''}\n`;
  });
  return `${job.id}: ${stateText(job)}; ${countsText(job.counts)}\n${plainLines(lines.join(''))}`;
}

export function groupsText(found: OutputGroups): string {
  const parts = found.groups.map((group) => {
    const { state, exit_code, count, targets, stdout, stderr, diff, omitted_bytes: omitted } = group;
    const names = targets.slice(0, 8).map(({ vm_id }) => vm_id);
    const rest = count > names.length ? ` and ${count - names.length} more` : '';
    const exit = exit_code === null ? '' : `, exit code ${exit_code}`;
    const body = diff ?? [stdout, stderr].filter((text) => text !== '').join('\n');
    const cut = omitted > 0 ? `  (${omitted} bytes in the middle are not compared)\n` : '';
    return `\n== ${count} ${state.replace('_', ' ')}${exit}: ${names.join(' ')}${rest}\n${cut}${plainLines(body)}${body === '' || body.endsWith('\n') ? '' : '\n'}`;
  });
  return `${found.summary}\n${parts.join('')}`;
}
