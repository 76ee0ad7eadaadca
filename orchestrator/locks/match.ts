import { parseSelector, type SelectorTarget, selectorMatches } from '../../protocol/selector.ts';
import { textMatches } from '../../protocol/text-pattern.ts';
import type { Row } from '../store/tables.ts';

export type LockRow = Row<'locks'>;

/** What somebody is about to do, or goes on doing. What is not known is not asked about. */
export interface LockQuestion {
  /** Identifiers of who does it: the user, and the token that was used. */
  who?: readonly string[] | undefined;
  tool?: string | undefined;
  agent?: SelectorTarget | undefined;
}

/** Whether it is machines that are locked, and not all of an organization. */
export const isAgentLock = ({ target_type: type }: LockRow): boolean =>
  type === 'agent' || type === 'selector';

/** Whether a lock stops it. A lock on the organization stops whatever is done on machines, and no reading. Pure. */
export function stops(lock: LockRow, { who, tool, agent }: LockQuestion): boolean {
  switch (lock.target_type) {
    case 'user':
    case 'api_token':
      return who?.includes(lock.target) ?? false;
    case 'tool':
      return tool !== undefined && textMatches(lock.target, tool);
    case 'agent':
      return agent?.agent_id === lock.target;
    case 'selector':
      return agent !== undefined && selectorMatches(parseSelector(lock.target), agent);
    case 'organization':
      return tool !== undefined || agent !== undefined;
  }
}

/** The first of these locks that stops it. */
export const lockOn = (locks: readonly LockRow[], question: LockQuestion): LockRow | undefined =>
  locks.find((lock) => stops(lock, question));

const KINDS = {
  user: 'This account',
  api_token: 'This API token',
  agent: 'This machine',
  selector: 'This machine',
  organization: 'This organization',
  tool: 'This tool',
} as const;

/** A sentence for who is stopped. */
export const lockSentence = (lock: LockRow): string =>
  `${KINDS[lock.target_type]} is locked${lock.expires_at === null ? '' : ` until ${new Date(lock.expires_at).toISOString()}`}: ${lock.reason}`;
