import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { html, view } from './html.ts';

export interface Part {
  href: string;
  label: string;
}

/** The way between pages that belong together, below their title. */
export function Parts({
  name,
  parts,
  at,
}: {
  /** What they are parts of, for who hears the page. */
  name: string;
  parts: readonly Part[];
  /** The address of the one that is shown. */
  at: string;
}): VNode {
  const nav = useRef<HTMLElement>(null);
  // On a narrow screen the marked one may lie outside.
  useEffect(() => {
    nav.current?.querySelector('[aria-current]')?.scrollIntoView({ inline: 'center', block: 'nearest' });
  }, [at]);
  return html`<nav class="parts" ref=${nav} aria-label=${name}>${parts.map(
    ({ href, label }) =>
      html`<a key=${href} href=${href} aria-current=${href === at ? 'page' : undefined}>${label}</a>`,
  )}</nav>`;
}

const AGENTS = { href: '#/agents', label: 'Machines' };
const TOKENS = { href: '#/tokens', label: 'Tokens' };

/** Machines, and what lets new ones in. */
export const AgentsParts = ({ at, mayAdd }: { at: 'agents' | 'tokens'; mayAdd: boolean }): VNode | null =>
  mayAdd
    ? view(Parts, {
        name: 'Agents',
        parts: [AGENTS, TOKENS],
        at: at === 'agents' ? AGENTS.href : TOKENS.href,
      })
    : null;

const EVENTS = { href: '#/audit', label: 'Events' };
const RECORDINGS = { href: '#/recordings', label: 'Recordings' };

/** What was done, as events and as it was seen on terminals. */
export const AuditParts = ({ at }: { at: 'audit' | 'recordings' }): VNode =>
  view(Parts, {
    name: 'Audit',
    parts: [EVENTS, RECORDINGS],
    at: at === 'audit' ? EVENTS.href : RECORDINGS.href,
  });
