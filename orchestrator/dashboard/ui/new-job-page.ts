import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { CreateJobRequest } from '../../../protocol/rest-jobs.ts';
import { plural } from '../model/format.ts';
import { EMPTY_DRAFT, type JobDraft, requestOf } from '../model/job-draft.ts';
import { jobLink } from '../model/route.ts';
import { asApiError } from '../net/api.ts';
import { createJob, previewJob } from '../net/endpoints.ts';
import { createStore, useStore } from '../net/store.ts';
import { ErrorBox, PageTitle } from './bits.ts';
import { html, view } from './html.ts';
import { PreviewCard, type Previewed } from './job-preview.ts';
import { RolloutFields, WhereFields, WorkFields } from './new-job-fields.ts';
import { useSubmit } from './use-submit.ts';

/** Outlives the page, so that neither a look elsewhere nor a new sign-in loses what was typed. */
const jobDraft = createStore<JobDraft>(EMPTY_DRAFT);
/** The preview follows when typing pauses. */
const TYPED_MS = 400;

/** Who would be hit by a request, asked anew when it changes. */
function usePreview(org: string, body: CreateJobRequest | undefined): Previewed {
  const [state, setState] = useState<Previewed>({ preview: undefined, error: undefined, stale: false });
  const text = body === undefined ? '' : JSON.stringify(body);
  useEffect(() => {
    if (text === '') return setState((old) => ({ ...old, stale: true }));
    setState((old) => ({ ...old, stale: true }));
    const stop = new AbortController();
    const timer = setTimeout(() => {
      previewJob(org, JSON.parse(text) as CreateJobRequest, stop.signal).then(
        (preview) => setState({ preview, error: undefined, stale: false }),
        (cause: unknown) => {
          if (!stop.signal.aborted) setState({ preview: undefined, error: asApiError(cause), stale: false });
        },
      );
    }, TYPED_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [org, text]);
  return state;
}

/** The command need not be there to see who is meant. */
function bodyForPreview(draft: JobDraft): CreateJobRequest | undefined {
  const full =
    draft.kind === 'command' && draft.command.trim() === '' ? { ...draft, command: 'true' } : draft;
  const asked = requestOf(
    full.kind === 'script' && full.script.trim() === '' ? { ...full, script: 'true' } : full,
  );
  return 'body' in asked ? asked.body : undefined;
}

export function NewJobPage({ org }: { org: string }): VNode {
  const draft = useStore(jobDraft);
  const { busy, error, run } = useSubmit();
  const [tried, setTried] = useState(false);
  const change = (part: Partial<JobDraft>) => jobDraft.set({ ...jobDraft.get(), ...part });
  const asked = requestOf(draft);
  const previewed = usePreview(org, bodyForPreview(draft));
  const wrong = tried && 'problem' in asked ? asked : undefined;

  const submit = async (event: Event) => {
    event.preventDefault();
    setTried(true);
    if ('problem' in asked) {
      (document.querySelector(`[name="${asked.field}"]`) as HTMLElement | null)?.focus();
      return;
    }
    await run(async (key) => {
      const job = await createJob(org, asked.body, key);
      jobDraft.set({ ...draft, command: '', script: '', description: '' });
      location.hash = jobLink(job.id);
    }, asked.body);
  };
  const count = previewed.preview?.total;
  const label = count === undefined ? 'Run' : `Run on ${plural(count, 'machine')}`;
  const fields = { draft, change, wrong };
  return html`<div><p class="crumb"><a href="#/jobs">Jobs</a></p>
    ${view(PageTitle, { title: 'New job' })}
    <form class="new-job" onSubmit=${submit} aria-label="New job" novalidate>
      <div class="new-job-form">
        ${view(WorkFields, fields)}
        ${view(WhereFields, fields)}
        ${view(RolloutFields, fields)}
        ${error === undefined ? null : view(ErrorBox, { error })}
        ${wrong === undefined ? null : html`<p class="bad-text" role="alert">${wrong.problem}</p>`}
        <p class="actions"><button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Sending…' : label}</button></p>
      </div>
      ${view(PreviewCard, { previewed })}
    </form>
  </div>`;
}
