import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { addLines, EMPTY_LOG, filterLines, type LogBuffer, logSourceOf } from '../../model/log-buffer.ts';
import { safeLine } from '../../model/safe-text.ts';
import { callTool } from '../../net/agent-api.ts';
import { type ApiError, asApiError } from '../../net/api.ts';
import { Empty, ErrorBox } from '../bits.ts';
import { html, view } from '../html.ts';
import type { TabProps } from './context.ts';
import { LogAnalysis } from './log-analysis.ts';
import { NotAllowed, Offline } from './offline.ts';

/** How long the agent waits for new lines before it answers that there are none. */
const WAIT_MS = 20_000;
const FIRST_LINES = 200;
const RETRY_MS = 3000;
const SUGGESTED = [
  '/var/log/syslog',
  '/var/log/messages',
  '/var/log/auth.log',
  'ssh.service',
  'cron.service',
];
/** Nearer to the end than this (pixels) means that the reader follows. */
const FOLLOW_PX = 32;

export function LogsTab(props: TabProps): VNode {
  const { agent, at, query, may } = props;
  if (!may('files.read')) return view(NotAllowed, { what: 'see logs', right: 'files.read' });
  if (!agent.online) return view(Offline, { agent, what: 'Logs' });
  const source = query.get('log') ?? '';
  return html`<div>
    ${view(SourceForm, { key: source, agentId: agent.agent_id, source })}
    ${
      logSourceOf(source) === undefined
        ? view(Empty, {
            title: 'Choose a log',
            text: 'Write the path of a file, like /var/log/syslog, or the name of a systemd unit, like ssh.service.',
          })
        : html`${view(Tail, { key: `${at.id}:${source}`, at, source })}${view(LogAnalysis, { key: source, at, source })}`
    }
  </div>`;
}

const logLink = (agentId: string, log: string): string =>
  `#/agents/${agentId}/logs?${new URLSearchParams({ log })}`;

function SourceForm({ agentId, source }: { agentId: string; source: string }): VNode {
  const [typed, setTyped] = useState(source);
  const [wrong, setWrong] = useState(false);
  const onSubmit = (event: Event) => {
    event.preventDefault();
    setWrong(logSourceOf(typed) === undefined);
    if (logSourceOf(typed) !== undefined) location.hash = logLink(agentId, typed.trim()).slice(1);
  };
  return html`<form class="inline-form" onSubmit=${onSubmit}>
    <label class="field grow"><span>File or unit</span>
      <input class="mono" list="log-sources" value=${typed} placeholder="/var/log/syslog or ssh.service" autocomplete="off" spellcheck=${false} aria-invalid=${wrong}
        onInput=${(event: Event) => setTyped((event.currentTarget as HTMLInputElement).value)} /></label>
    <datalist id="log-sources">${SUGGESTED.map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>
    <button class="button">Show</button>
    ${wrong ? html`<p class="notice bad" role="alert">Write an absolute path or the name of a systemd unit.</p>` : null}
  </form>`;
}

interface TailState {
  buffer: LogBuffer;
  status: 'reading' | 'live' | 'paused' | 'retrying' | 'failed';
  error: ApiError | undefined;
}

/** Reads the end of a log and then what is added, until it is paused or the page is left. */
function useTail({ at, source }: Pick<TabProps, 'at'> & { source: string }, paused: boolean) {
  const [state, setState] = useState<TailState>({ buffer: EMPTY_LOG, status: 'reading', error: undefined });
  const cursor = useRef<string | undefined>(undefined);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (paused) {
      setState((old) => ({ ...old, status: 'paused' }));
      return undefined;
    }
    const stop = new AbortController();
    const read = async () => {
      const place = logSourceOf(source);
      while (!stop.signal.aborted && place !== undefined) {
        const more =
          cursor.current === undefined
            ? { lines: FIRST_LINES }
            : { lines: 2000, cursor: cursor.current, wait_ms: WAIT_MS };
        const wait = WAIT_MS / 1000 + 10;
        const found = await callTool(at, 'tail_log', { ...place, ...more }, { signal: stop.signal, wait });
        cursor.current = found.cursor ?? cursor.current;
        setState((old) => ({
          buffer: addLines(
            found.rotated
              ? addLines(old.buffer, ['The file was replaced or cut; it goes on from its beginning.'], true)
              : old.buffer,
            found.lines,
          ),
          status: 'live',
          error: undefined,
        }));
        // A log that has no place to go on from, such as an empty journal, is asked again after a while.
        if (found.cursor === undefined) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    };
    let retry: ReturnType<typeof setTimeout> | undefined;
    read().catch((cause: unknown) => {
      if (stop.signal.aborted) return;
      const error = asApiError(cause);
      const passes = error.status === 0 || error.status >= 500;
      setState((old) => ({ ...old, status: passes ? 'retrying' : 'failed', error }));
      if (passes) retry = setTimeout(() => setRound((n) => n + 1), RETRY_MS);
    });
    return () => {
      stop.abort();
      clearTimeout(retry);
    };
  }, [source, at.org, at.id, paused, round]);
  return {
    ...state,
    again: () => setRound((n) => n + 1),
    clear: () => setState((old) => ({ ...old, buffer: { ...EMPTY_LOG, next: old.buffer.next } })),
  };
}

const STATUS: Readonly<Record<TailState['status'], string>> = {
  reading: 'Reading…',
  live: 'Live',
  paused: 'Paused',
  retrying: 'Connection lost; trying again…',
  failed: 'Stopped',
};

function Tail(props: Pick<TabProps, 'at'> & { source: string }): VNode {
  const [paused, setPaused] = useState(false);
  const [filter, setFilter] = useState('');
  const { buffer, status, error, again, clear } = useTail(props, paused);
  const box = useRef<HTMLDivElement>(null);
  const [following, setFollowing] = useState(true);
  const lines = filterLines(buffer.lines, filter);
  useEffect(() => {
    if (following && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines.length, buffer.next, following]);
  const onScroll = () => {
    const { current } = box;
    if (current !== null)
      setFollowing(current.scrollHeight - current.scrollTop - current.clientHeight < FOLLOW_PX);
  };
  return html`<section class="card" aria-label=${`Log ${props.source}`}>
    <div class="tab-bar">
      <span class=${`badge ${status === 'live' ? 'good' : status === 'failed' || status === 'retrying' ? 'bad' : ''}`} role="status">${STATUS[status]}</span>
      <label class="field grow"><span class="hidden">Filter lines</span>
        <input type="search" placeholder="Filter: words that must occur, -word for those that must not" value=${filter} onInput=${(event: Event) => setFilter((event.currentTarget as HTMLInputElement).value)} /></label>
      <button type="button" class="button" aria-pressed=${paused} onClick=${() => setPaused(!paused)}>${paused ? 'Go on' : 'Pause'}</button>
      <button type="button" class="button" onClick=${clear}>Clear</button>
    </div>
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: again })}
    ${buffer.dropped === 0 ? null : html`<p class="quiet">${buffer.dropped} older lines are no longer shown.</p>`}
    <div class="output-frame">
      <div class="output log" ref=${box} onScroll=${onScroll} tabIndex="0" role="log" aria-live="off" aria-label=${`Lines of ${props.source}`}>
        ${lines.length === 0 && status === 'live' ? html`<p class="quiet">${buffer.lines.length === 0 ? 'The log has no lines yet; new ones appear here.' : 'No line matches the filter.'}</p>` : null}
        ${lines.map(({ id, text, note }) => html`<div key=${id} class=${note ? 'note' : ''}>${safeLine(text)}</div>`)}
      </div>
      ${following ? null : html`<button type="button" class="button small follow" onClick=${() => setFollowing(true)}>Follow ↓</button>`}
    </div>
    <p class="quiet">${filter === '' ? `${buffer.lines.length} lines` : `${lines.length} of ${buffer.lines.length} lines`}</p>
  </section>`;
}
