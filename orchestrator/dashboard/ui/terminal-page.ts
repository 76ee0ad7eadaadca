import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Permission } from '../../../protocol/roles.ts';
import { safeLine } from '../model/safe-text.ts';
import { ApiError } from '../net/api.ts';
import { fetchAgent } from '../net/endpoints.ts';
import { usePolling } from '../net/hooks.ts';
import type { LineState } from '../terminal/line.ts';
import type { MountedTerminal } from '../terminal/terminal.ts';
import { ErrorBox, Loading, PageTitle } from './bits.ts';
import { html, view } from './html.ts';
import { MachineTabs } from './machine/tabs.ts';
import { type TerminalBundle, useTerminalBundle } from './terminal-bundle.ts';

const AGENT_EVERY_MS = 15_000;

interface TerminalPageProps {
  org: string;
  id: string;
  /** A terminal that is open already. */
  attach?: string | undefined;
  may(permission: Permission): boolean;
}

/** A terminal on one machine. */
export function TerminalPage({ org, id, attach, may }: TerminalPageProps): VNode {
  const bundle = useTerminalBundle();
  const { data: agent, error } = usePolling((signal) => fetchAgent(org, id, signal), AGENT_EVERY_MS, [
    org,
    id,
  ]);
  const name = agent?.vm_id ?? id;
  const problem = bundle instanceof ApiError ? bundle : agent === undefined ? error : undefined;
  return html`<div>
    <p class="crumb"><a href="#/agents">Agents</a></p>
    ${view(PageTitle, { title: `Terminal on ${safeLine(name)}` })}
    ${view(MachineTabs, { id, tab: 'terminal', may })}
    ${problem === undefined ? null : view(ErrorBox, { error: problem })}
    ${
      bundle === undefined || bundle instanceof ApiError || agent === undefined
        ? problem === undefined
          ? view(Loading, { what: 'terminal' })
          : null
        : view(Sitting, { org, agent: agent.agent_id, name, bundle, attach })
    }
  </div>`;
}

const KEYS: readonly [label: string, name: string, text: string][] = [
  ['Esc', 'Escape', '\x1b'],
  ['Tab', 'Tab', '\t'],
  ['↑', 'Up', '\x1b[A'],
  ['↓', 'Down', '\x1b[B'],
  ['←', 'Left', '\x1b[D'],
  ['→', 'Right', '\x1b[C'],
  ['^C', 'Control C', '\x03'],
];

/** Left in this tab, so that a reload finds the same terminal. */
const keyOf = (agent: string): string => `terminal:${agent}`;

function Sitting(props: {
  org: string;
  agent: string;
  name: string;
  bundle: TerminalBundle;
  attach: string | undefined;
}): VNode {
  const { org, agent, name, bundle } = props;
  const box = useRef<HTMLDivElement>(null);
  const leave = useRef<HTMLButtonElement>(null);
  const mounted = useRef<MountedTerminal | undefined>(undefined);
  const [state, setState] = useState<{ state: LineState; message: string }>({
    state: 'connecting',
    message: 'Connecting…',
  });
  const [ctrl, setCtrl] = useState(false);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const kept = sessionStorage.getItem(keyOf(agent)) ?? undefined;
    const terminal = bundle.mountTerminal(element, {
      org,
      agent,
      label: `Terminal on ${safeLine(name)}`,
      attach: round === 0 ? (props.attach ?? kept) : undefined,
      onState(next, message) {
        setState({ state: next, message: safeLine(message) });
        if (next === 'ended' || next === 'elsewhere') sessionStorage.removeItem(keyOf(agent));
      },
      onOpened: (id) => sessionStorage.setItem(keyOf(agent), id),
      onLeave: () => leave.current?.focus(),
      onCtrlUsed: () => setCtrl(false),
    });
    mounted.current = terminal;
    return () => {
      mounted.current = undefined;
      terminal.dispose();
      element.textContent = '';
    };
  }, [org, agent, round]);
  const over = state.state === 'ended' || state.state === 'elsewhere';
  const paste = () =>
    navigator.clipboard.readText().then(
      (text) => mounted.current?.paste(text),
      () => undefined,
    );
  return html`<div>
    <div class="terminal-bar">
      <span class=${`badge ${state.state === 'open' ? 'good' : over ? '' : 'busy'}`} role="status">${state.message}</span>
      <span class="quiet">What this terminal shows is recorded; what you type is not. Shift+Esc leaves it with the keyboard.</span>
      <span class="grow"></span>
      ${
        over
          ? html`<button type="button" class="button" onClick=${() => setRound(round + 1)}>Open a new terminal</button>`
          : html`<button type="button" class="button danger" ref=${leave} onClick=${() => mounted.current?.end()}>End terminal</button>`
      }
    </div>
    <div class="terminal-screen" ref=${box} role="group" aria-label=${`Terminal on ${safeLine(name)}`}></div>
    <div class="terminal-keys" role="toolbar" aria-label="Keys">
      <button type="button" class="button small" aria-pressed=${ctrl} onClick=${() => {
        setCtrl(true);
        mounted.current?.ctrl();
      }}>Ctrl</button>
      ${KEYS.map(
        ([label, key, text]) =>
          html`<button type="button" key=${key} class="button small" aria-label=${key} onClick=${() => {
            mounted.current?.type(text);
            mounted.current?.focus();
          }}>${label}</button>`,
      )}
      <button type="button" class="button small" onClick=${paste}>Paste</button>
    </div>
  </div>`;
}
