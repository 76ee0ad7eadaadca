/** An agent as far as the program looks at it. */
export interface SeenAgent {
  agent_id: string;
  vm_id: string;
  hostname: string;
  state: string;
  online: boolean;
  version: string | null;
  labels: Record<string, string>;
  reported_labels: Record<string, string>;
}

export interface Rest {
  /** An answer's JSON; undefined when it has none. `path` is below the organization. */
  call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown>;
  /** Bytes that anybody may have: `/setup.sh`, `/artifacts/…`. */
  file(path: string): Promise<Buffer>;
  /** Every agent that the selector matches, page by page; revoked ones are not among them. */
  agents(selector: string): Promise<SeenAgent[]>;
}

export interface RestOptions {
  url: string;
  apiToken: string;
  /** PEM; empty: what the system trusts. */
  ca: string;
  organization: string;
}

/**
 * The orchestrator's REST over node:https, which takes a CA of our own. The text of this function is run on its own
 * by `node -` too, so it names nothing outside itself, and loads Node's modules by `process.getBuiltinModule`.
 * Errors never hold the API token or a body that was sent.
 */
export function restOf(options: RestOptions): Rest {
  const TIMEOUT_MS = 30_000;
  const MOST_BYTES = 64 * 1024 * 1024;
  if (typeof process.getBuiltinModule !== 'function')
    throw new Error(
      `Node ${process.version} is too old for vm-agent's Pulumi components. Use Node 22.3 or newer.`,
    );
  const { request } = process.getBuiltinModule('node:https');
  let base: URL;
  try {
    base = new URL(options.url);
  } catch {
    throw new Error(`The orchestrator's address ${options.url} is no URL. Write https://HOST[:PORT].`);
  }
  if (base.protocol !== 'https:')
    throw new Error(`The orchestrator's address must begin with https://; ${options.url} does not.`);
  const organization = `/api/v1/organizations/${encodeURIComponent(options.organization)}`;

  function send(method: string, path: string, authorized: boolean, body?: string) {
    return new Promise<{ status: number; bytes: Buffer }>((resolve, reject) => {
      const failed = (cause: NodeJS.ErrnoException) => {
        const untrusted = /CERT|SELF_SIGNED|UNABLE_TO|ISSUER|ALTNAME/.test(cause.code ?? '');
        const advice = untrusted
          ? "Give the orchestrator's CA as caFile or caPem, and a name that its certificate holds."
          : 'Check its address, and that it runs and can be reached from where pulumi runs.';
        reject(new Error(`The orchestrator ${base.origin} cannot be reached: ${cause.message}. ${advice}`));
      };
      const sent = request(
        new URL(path, base),
        {
          method,
          agent: false,
          minVersion: 'TLSv1.3',
          timeout: TIMEOUT_MS,
          ...(options.ca === '' ? {} : { ca: options.ca }),
          headers: {
            accept: 'application/json',
            ...(authorized ? { authorization: `Bearer ${options.apiToken}` } : {}),
            ...(body === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          let length = 0;
          response.on('data', (chunk: Buffer) => {
            length += chunk.length;
            if (length > MOST_BYTES) sent.destroy(new Error('its answer is too long'));
            else chunks.push(chunk);
          });
          response.on('error', failed);
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, bytes: Buffer.concat(chunks) }),
          );
        },
      );
      sent.on('timeout', () => sent.destroy(new Error('it did not answer in time')));
      sent.on('error', failed);
      sent.end(body);
    });
  }

  function refused(what: string, status: number, bytes: Buffer): Error {
    let problem: { title?: unknown; detail?: unknown; hint?: unknown; code?: unknown } = {};
    try {
      problem = JSON.parse(bytes.toString('utf8'));
    } catch {
      // Something between here and the orchestrator answered.
    }
    const said = [problem.detail ?? problem.title, problem.hint].filter((text) => typeof text === 'string');
    const advice =
      status === 401 || status === 403
        ? ` Check apiToken, and that it is of the organization ${options.organization}.`
        : '';
    return new Error(
      `The orchestrator ${base.origin} refused ${what} (${status}${problem.code === undefined ? '' : ` ${problem.code}`}): ${said.join(' ') || 'it gave no reason.'}${advice}`,
    );
  }

  const rest: Rest = {
    async call(method, path, body) {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const { status, bytes } = await send(method, organization + path, true, text);
      if (status < 200 || status > 299) throw refused(`${method} ${path.split('?')[0]}`, status, bytes);
      if (bytes.length === 0) return undefined;
      try {
        return JSON.parse(bytes.toString('utf8'));
      } catch {
        throw new Error(`${base.origin} answered something that is no JSON. Is it a vm-agent orchestrator?`);
      }
    },
    async file(path) {
      const { status, bytes } = await send('GET', path, false);
      if (status !== 200) throw refused(`GET ${path}`, status, bytes);
      return bytes;
    },
    async agents(selector) {
      const found: SeenAgent[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const query = new URLSearchParams({ selector, limit: '500' });
        if (cursor !== '') query.set('cursor', cursor);
        const page = (await rest.call('GET', `/agents?${query}`)) as {
          items: SeenAgent[];
          next_cursor: string | null;
        };
        found.push(...page.items);
        cursor = page.next_cursor;
      }
      return found;
    },
  };
  return rest;
}
