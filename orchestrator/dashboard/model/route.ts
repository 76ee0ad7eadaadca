/** The part of the address after `#`, so that every view has a link that can be kept and sent. */
export type Route =
  | { page: 'agents' }
  | { page: 'agent'; id: string }
  | { page: 'add' }
  | { page: 'tokens' }
  | { page: 'jobs' }
  | { page: 'job'; id: string }
  | { page: 'missing'; path: string };

const PAGES: Readonly<Record<string, Route>> = {
  '': { page: 'agents' },
  agents: { page: 'agents' },
  add: { page: 'add' },
  tokens: { page: 'tokens' },
  jobs: { page: 'jobs' },
};

export function parseRoute(hash: string): Route {
  const path = hash.replace(/^#?\/*/, '').replace(/\/+$/, '');
  const [head = '', id, ...more] = path.split('/');
  if (id !== undefined && more.length === 0 && /^[\w.-]+$/.test(id)) {
    if (head === 'jobs') return { page: 'job', id };
    if (head === 'agents') return { page: 'agent', id };
  }
  const page = id === undefined && Object.hasOwn(PAGES, head) ? PAGES[head] : undefined;
  return page ?? { page: 'missing', path };
}

export const agentLink = (id: string): string => `#/agents/${id}`;
export const jobLink = (id: string): string => `#/jobs/${id}`;
