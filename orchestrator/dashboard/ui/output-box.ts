import { Component, createRef, type VNode } from 'preact';
import { formatBytes } from '../model/format.ts';
import type { CommandView } from '../model/job-view.ts';
import type { Block } from '../model/output-log.ts';
import { isFinalState } from '../model/states.ts';
import { html, view } from './html.ts';

export interface OutputBoxProps {
  command: CommandView;
  revision: number;
}

/** Nearer to the end than this (pixels) means that the reader follows. */
const FOLLOW_PX = 32;

/** The output, which scrolls with what comes as long as its end is in view. */
export class OutputBox extends Component<OutputBoxProps, { following: boolean }> {
  override state = { following: true };
  readonly box = createRef<HTMLDivElement>();

  override componentDidMount(): void {
    this.toEnd();
  }

  override componentDidUpdate(): void {
    if (this.state.following) this.toEnd();
  }

  toEnd(): void {
    const box = this.box.current;
    if (box !== null) box.scrollTop = box.scrollHeight;
  }

  readonly onScroll = (): void => {
    const box = this.box.current;
    if (box === null) return;
    const following = box.scrollHeight - box.scrollTop - box.clientHeight < FOLLOW_PX;
    if (following !== this.state.following) this.setState({ following });
  };

  override render({ command }: OutputBoxProps): VNode {
    const { blocks, cut } = command.output;
    const done = isFinalState(command.state);
    if (blocks.length === 0) {
      return html`<p class="no-output">${done ? 'No output.' : 'No output yet.'}</p>`;
    }
    return html`<div class="output-frame">
      ${cut === 0 ? null : html`<p class="cut" role="note">The first ${formatBytes(cut)} of text are not shown here. The whole is in the downloads above.</p>`}
      <div class="output" ref=${this.box} onScroll=${this.onScroll} tabIndex="0" role="log" aria-live="off" aria-label=${`Output of ${command.vmId}`}>
        ${blocks.map((block) => view(BlockText, { key: block.id, block }))}
      </div>
      ${
        this.state.following || done
          ? null
          : html`<button type="button" class="button small follow" onClick=${() => {
              this.setState({ following: true });
              this.toEnd();
            }}>Follow ↓</button>`
      }
    </div>`;
  }
}

class BlockText extends Component<{ block: Block }> {
  override shouldComponentUpdate(next: { block: Block }): boolean {
    return next.block !== this.props.block;
  }

  override render({ block }: { block: Block }): VNode {
    return html`<div class=${block.stream} role=${block.stream === 'stderr' ? 'group' : undefined}
      aria-label=${block.stream === 'stderr' ? 'stderr' : undefined}>${block.text}</div>`;
  }
}
