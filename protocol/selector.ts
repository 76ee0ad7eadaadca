import { AppError } from './errors.ts';
import { parseLabel } from './provisioning-token.ts';

/**
 * `all`, or terms joined by commas that must all hold: `env=prod`, `role!=db`, `id=…` (vm_id or agent_id, several
 * joined by `|`), `agent.KEY=…` (a label that the VM itself reports). Plain keys match granted labels only.
 */
export type SelectorTerm =
  | { kind: 'all' }
  | { kind: 'id'; ids: readonly string[] }
  | { kind: 'label'; source: 'granted' | 'reported'; key: string; value: string; negated: boolean };
export type Selector = readonly SelectorTerm[];

export interface SelectorTarget {
  agent_id: string;
  vm_id: string;
  labels: Readonly<Record<string, string>>;
  reported_labels: Readonly<Record<string, string>>;
}

function parseTerm(text: string): SelectorTerm {
  if (text === 'all') return { kind: 'all' };
  const [, left = '', operator, right = ''] = /^([^=!]+)(!?=)(.*)$/.exec(text) ?? [];
  const negated = operator === '!=';
  if (left === 'id' && !negated && right !== '') return { kind: 'id', ids: right.split('|') };
  const reported = left.startsWith('agent.');
  const label = parseLabel(`${reported ? left.slice('agent.'.length) : left}=${right}`);
  if (operator === undefined || left === 'id' || label === undefined) {
    throw new AppError('invalid_selector', {
      detail: `"${text}" is not a selector term.`,
      hint: 'Use all, id=<vm_id or agent_id>, key=value, key!=value or agent.key=value, joined by commas.',
    });
  }
  return {
    kind: 'label',
    source: reported ? 'reported' : 'granted',
    key: label[0],
    value: label[1],
    negated,
  };
}

/** @throws AppError `invalid_selector`, naming the term. */
export function parseSelector(text: string): Selector {
  const terms = text.split(',').map((term) => term.trim());
  return terms.map(parseTerm);
}

function termMatches(term: SelectorTerm, target: SelectorTarget): boolean {
  switch (term.kind) {
    case 'all':
      return true;
    case 'id':
      return term.ids.includes(target.agent_id) || term.ids.includes(target.vm_id);
    case 'label': {
      const labels = term.source === 'granted' ? target.labels : target.reported_labels;
      const value = Object.hasOwn(labels, term.key) ? labels[term.key] : undefined;
      return (value === term.value) !== term.negated;
    }
  }
}

export const selectorMatches = (selector: Selector, target: SelectorTarget): boolean =>
  selector.every((term) => termMatches(term, target));
