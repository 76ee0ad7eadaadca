import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { createParser } from 'eventsource-parser';
import {
  type CreateJobRequest,
  type JobEvent,
  type JobWithCommands,
  jobEventSchema,
} from '../../protocol/rest-jobs.ts';

/** The orchestrator's REST API as a program uses it that keeps its connection. */
export interface RestClient extends Disposable {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: unknown): Promise<T>;
  /** A job's last state event before its end, over SSE. */
  watch(id: string): Promise<StateEvent>;
  /** Submits a job and resolves with its command's last state event, which came over SSE. */
  runJob(job: CreateJobRequest): Promise<StateEvent>;
  /** Submits a job and answers its id, without waiting. */
  submit(job: CreateJobRequest): Promise<string>;
  job(id: string): Promise<JobWithCommands>;
}

export type StateEvent = Extract<JobEvent, { type: 'state' }>;

async function text(response: IncomingMessage): Promise<string> {
  let all = '';
  response.setEncoding('utf8');
  for await (const chunk of response) all += chunk;
  return all;
}

export function createRestClient(options: {
  url: string;
  caPem: string;
  apiToken: string;
  organization: string;
}): RestClient {
  const { url, caPem, apiToken, organization } = options;
  const agent = new Agent({ keepAlive: true, ca: caPem });
  const jobs = `/api/v1/organizations/${organization}/jobs`;

  async function send(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const sent = request(new URL(path, url), {
      agent,
      method,
      headers: {
        authorization: `Bearer ${apiToken}`,
        ...(payload === undefined
          ? {}
          : {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(payload),
              'idempotency-key': randomUUID(),
            }),
      },
    });
    sent.end(payload);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    if ((response.statusCode ?? 0) >= 300)
      throw new Error(`${method} ${path}: ${response.statusCode} ${await text(response)}`);
    return response;
  }

  const get = async <T>(path: string): Promise<T> => JSON.parse(await text(await send('GET', path))) as T;
  const post = async <T>(path: string, body: unknown): Promise<T> =>
    JSON.parse(await text(await send('POST', path, body))) as T;
  const submit = async (job: CreateJobRequest): Promise<string> =>
    (await post<JobWithCommands>(jobs, job)).id;

  /** The last state before `end`. The response is read to its end, so that the connection can be used again. */
  async function watch(id: string): Promise<StateEvent> {
    const response = await send('GET', `${jobs}/${id}/events`);
    let last: StateEvent | undefined;
    const parser = createParser({
      onEvent: ({ data }) => {
        const event = jobEventSchema.parse(JSON.parse(data));
        if (event.type === 'state') last = event;
      },
    });
    response.setEncoding('utf8');
    for await (const chunk of response) parser.feed(chunk);
    if (last?.result === undefined || last.result === null)
      throw new Error(`the events of job ${id} ended in state ${last?.state} without a result`);
    return last;
  }

  return {
    get,
    post,
    submit,
    watch,
    runJob: async (job) => watch(await submit(job)),
    job: (id) => get(`${jobs}/${id}`),
    [Symbol.dispose]: () => agent.destroy(),
  };
}
