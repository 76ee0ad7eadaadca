import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Recording } from '../../../protocol/rest-terminals.ts';
import { type Cast, parseCast } from '../model/asciicast.ts';
import { formatDuration } from '../model/format.ts';
import { safeLine } from '../model/safe-text.ts';
import { ApiError, asApiError } from '../net/api.ts';
import { castPath, fetchCast, fetchRecording } from '../net/endpoints.ts';
import type { Player } from '../terminal/player.ts';
import { Ago, ErrorBox, Loading, PageTitle, said } from './bits.ts';
import { html, view } from './html.ts';
import { type TerminalBundle, useTerminalBundle } from './terminal-bundle.ts';

/** Waits are cut to this (seconds), unless the viewer wants them. */
const IDLE_CUT_S = 2;
const SPEEDS = [0.5, 1, 2, 4, 8];

interface Loaded {
  recording: Recording;
  text: string;
}

/** Plays what a terminal showed. */
export function ReplayPage({ org, id }: { org: string; id: string }): VNode {
  const bundle = useTerminalBundle();
  const [loaded, setLoaded] = useState<Loaded | undefined>(undefined);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  useEffect(() => {
    const abort = new AbortController();
    Promise.all([fetchRecording(org, id, abort.signal), fetchCast(org, id, abort.signal)]).then(
      ([recording, text]) => setLoaded({ recording, text }),
      (cause: unknown) => {
        if (!abort.signal.aborted) setError(asApiError(cause));
      },
    );
    return () => abort.abort();
  }, [org, id]);
  const problem = bundle instanceof ApiError ? bundle : error;
  return html`<div>
    <p class="crumb"><a href="#/recordings">Recordings</a></p>
    ${view(PageTitle, { title: loaded === undefined ? 'Recording' : `Recording of ${safeLine(loaded.recording.vm_id)}` })}
    ${problem === undefined ? null : view(ErrorBox, { error: problem })}
    ${
      loaded === undefined || bundle === undefined || bundle instanceof ApiError
        ? problem === undefined
          ? view(Loading, { what: 'recording' })
          : null
        : html`<div>
            <p class="terminal-bar"><span class="quiet">${said(loaded.recording.actor.name)}, ${view(Ago, { at: loaded.recording.opened_at })}</span>
              <a href=${castPath(org, id)} download=${`${id}.cast`}>Download (asciicast)</a></p>
            ${view(Playing, { loaded, bundle })}
          </div>`
    }
  </div>`;
}

function Playing({ loaded, bundle }: { loaded: Loaded; bundle: TerminalBundle }): VNode {
  const box = useRef<HTMLDivElement>(null);
  const player = useRef<Player | undefined>(undefined);
  const [cut, setCut] = useState(true);
  const [speed, setSpeed] = useState(1);
  const [time, setTime] = useState({ at: 0, playing: false });
  const [cast, setCast] = useState<Cast | undefined>(undefined);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const label = `Recording of ${safeLine(loaded.recording.vm_id)}`;
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    let parsed: Cast;
    try {
      parsed = parseCast(loaded.text, cut ? IDLE_CUT_S : undefined);
    } catch (cause) {
      setError(new ApiError(0, { detail: (cause as Error).message }));
      return undefined;
    }
    setCast(parsed);
    const mounted = bundle.mountPlayer(element, {
      cast: parsed,
      label,
      onTime: (at, playing) => setTime({ at, playing }),
    });
    mounted.speed(speed);
    mounted.play();
    player.current = mounted;
    return () => {
      mounted.dispose();
      element.textContent = '';
    };
  }, [loaded, cut]);
  const duration = cast?.duration ?? 0;
  return html`<div>
    ${error === undefined ? null : view(ErrorBox, { error })}
    <div class="terminal-bar">
      <button type="button" class="button" onClick=${() => (time.playing ? player.current?.pause() : player.current?.play())}>
        ${time.playing ? 'Pause' : 'Play'}</button>
      <input type="range" min="0" max=${duration} step="any" value=${time.at} aria-label="Position"
        aria-valuetext=${`${formatDuration(time.at * 1000)} of ${formatDuration(duration * 1000)}`}
        onInput=${(event: Event) => player.current?.seek(Number((event.currentTarget as HTMLInputElement).value))} />
      <span>${formatDuration(time.at * 1000)} / ${formatDuration(duration * 1000)}</span>
      <label>Speed <select value=${speed} onChange=${(event: Event) => {
        const to = Number((event.currentTarget as HTMLSelectElement).value);
        setSpeed(to);
        player.current?.speed(to);
      }}>${SPEEDS.map((each) => html`<option key=${each} value=${each}>${each}×</option>`)}</select></label>
      <label><input type="checkbox" checked=${cut} onChange=${() => setCut(!cut)} /> Cut long waits</label>
    </div>
    <div class="terminal-screen replayed" ref=${box} role="group" aria-label=${label}></div>
  </div>`;
}
