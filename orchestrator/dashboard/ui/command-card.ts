import { Component, type VNode } from 'preact';
import type { Stream } from '../../../protocol/command.ts';
import type { Command } from '../../../protocol/rest-jobs.ts';
import { formatDuration } from '../model/format.ts';
import type { CommandView } from '../model/job-view.ts';
import { agentLink } from '../model/route.ts';
import { safeLine } from '../model/safe-text.ts';
import { isFinalState, reasonText, stateHint } from '../model/states.ts';
import { useNow } from '../net/hooks.ts';
import { StateBadge } from './bits.ts';
import { Download } from './download.ts';
import { html, view } from './html.ts';
import { OutputBox } from './output-box.ts';

export interface CommandCardProps {
  org: string;
  command: CommandView;
  /** What the API last said about it: the sizes of the kept output. */
  kept: Command | undefined;
  expanded: boolean;
  revision: number;
}

/** One machine's part of a job. Drawn anew only when its revision changes, however busy the others are. */
export class CommandCard extends Component<CommandCardProps, { open: boolean }> {
  override state = { open: this.props.expanded };

  override shouldComponentUpdate(next: CommandCardProps, state: { open: boolean }): boolean {
    return (
      next.revision !== this.props.revision || next.kept !== this.props.kept || state.open !== this.state.open
    );
  }

  override render({ org, command, kept }: CommandCardProps): VNode {
    const { open } = this.state;
    const sizes: Record<Stream, number> = {
      stdout: Math.max(command.streams.stdout.offset, kept?.output.stdout ?? 0),
      stderr: Math.max(command.streams.stderr.offset, kept?.output.stderr ?? 0),
    };
    const outputId = `output-${command.id}`;
    return html`<article class="card command" aria-label=${command.vmId}>
      <header class="command-head">
        <button type="button" class="fold" aria-expanded=${open} aria-controls=${outputId} aria-label=${`Output of ${command.vmId}`}
          onClick=${() => this.setState({ open: !open })}><span aria-hidden="true">${open ? '▾' : '▸'}</span></button>
        <a class="vm" href=${agentLink(command.agentId)}>${command.vmId}</a>
        ${view(StateBadge, { state: command.state })}
        ${view(Outcome, { command })}
        <span class="grow"></span>
        ${view(Download, { org, commandId: command.id, vmId: command.vmId, sizes })}
      </header>
      ${view(Explanation, { command })}
      <div id=${outputId}>
        ${open ? view(OutputBox, { command, revision: command.revision }) : null}
      </div>
    </article>`;
  }
}

function Outcome({ command }: { command: CommandView }): VNode {
  const { result, cancelRequested, state } = command;
  const parts: (VNode | string)[] = [];
  if (result?.exit_code !== undefined)
    parts.push(html`<span class="exit">exit code <b>${result.exit_code}</b></span>`);
  if (result?.signal !== undefined)
    parts.push(html`<span class="exit">signal <b>${safeLine(result.signal)}</b></span>`);
  if (cancelRequested && !isFinalState(state)) parts.push('cancel requested');
  if (command.startedAt !== null) parts.push(view(Duration, { command }));
  return html`<span class="outcome">${parts}</span>`;
}

function Duration({ command }: { command: CommandView }): VNode {
  const { startedAt, endedAt, result } = command;
  if (result?.duration_ms !== undefined)
    return html`<span title="Duration">${formatDuration(result.duration_ms)}</span>`;
  if (startedAt === null) return html`<span></span>`;
  if (endedAt !== null)
    return html`<span title="Duration">${formatDuration(Date.parse(endedAt) - Date.parse(startedAt))}</span>`;
  return view(Running, { startedAt });
}

function Running({ startedAt }: { startedAt: string }): VNode {
  const passed = Math.max(0, useNow() - Date.parse(startedAt));
  return html`<span title="Running for">${formatDuration(Math.floor(passed / 1000) * 1000 || passed)}</span>`;
}

function Explanation({ command }: { command: CommandView }): VNode | null {
  // The API's own sentence, except where the exit code beside the state says it.
  const known = command.why?.startsWith('exit code ') ? '' : command.why;
  const text =
    known ??
    [command.result?.error?.message ?? '', reasonText(command.reason), stateHint(command.state, undefined)]
      .filter((part) => part !== '')
      .join(' · ');
  return text === '' ? null : html`<p class="explanation">${safeLine(text)}</p>`;
}
