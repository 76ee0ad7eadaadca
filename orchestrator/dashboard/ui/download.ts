import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Stream } from '../../../protocol/command.ts';
import { formatBytes, formatPercent } from '../model/format.ts';
import { asApiError, send } from '../net/api.ts';
import { outputPath } from '../net/endpoints.ts';
import { html } from './html.ts';

/** What one request for output may ask for. */
const PART_BYTES = 64 * 1024 * 1024;
const STREAMS = ['stdout', 'stderr'] as const;

export interface DownloadProps {
  org: string;
  commandId: string;
  vmId: string;
  sizes: Record<Stream, number>;
}

/** Links to the whole output, byte for byte as the command wrote it. */
export function Download({ org, commandId, vmId, sizes }: DownloadProps): VNode {
  const [progress, setProgress] = useState<string | undefined>(undefined);

  const inParts = async (event: Event, stream: Stream) => {
    event.preventDefault();
    if (progress !== undefined) return;
    try {
      const parts: Blob[] = [];
      for (let offset = 0; offset < sizes[stream]; offset += PART_BYTES) {
        setProgress(formatPercent(offset / sizes[stream]));
        const limit = Math.min(PART_BYTES, sizes[stream] - offset);
        const response = await send(outputPath(org, commandId, stream, offset, limit), {
          headers: { accept: 'application/octet-stream' },
        });
        parts.push(await response.blob());
      }
      save(new Blob(parts, { type: 'application/octet-stream' }), fileName(vmId, commandId, stream));
      setProgress(undefined);
    } catch (error) {
      setProgress(`failed: ${asApiError(error).message}`);
    }
  };

  return html`<span class="downloads">
    ${STREAMS.filter((stream) => sizes[stream] > 0).map(
      (
        stream,
      ) => html`<a key=${stream} href=${outputPath(org, commandId, stream, 0, Math.min(PART_BYTES, sizes[stream]))}
        download=${fileName(vmId, commandId, stream)}
        onClick=${sizes[stream] > PART_BYTES ? (event: Event) => void inParts(event, stream) : undefined}
      ><span class="hidden">Download </span>${stream} <small>${formatBytes(sizes[stream])}</small><span class="hidden"> of ${vmId}</span> <span aria-hidden="true">↓</span></a>`,
    )}
    ${progress === undefined ? null : html`<small role="status">${progress}</small>`}
  </span>`;
}

const fileName = (vmId: string, commandId: string, stream: Stream): string =>
  `${vmId}.${commandId}.${stream}.txt`;

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
