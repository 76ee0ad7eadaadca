import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { crumbsOf, folderLink, typedPath } from '../../model/file-path.ts';
import { said } from '../bits.ts';
import { html } from '../html.ts';

/** The way to a folder as links, and a field for who knows where to go. */
export function PathBar({ agentId, path }: { agentId: string; path: string }): VNode {
  const [typed, setTyped] = useState<string | undefined>(undefined);
  const [wrong, setWrong] = useState(false);
  const onSubmit = (event: Event) => {
    event.preventDefault();
    const target = typedPath(typed ?? '');
    setWrong(target === undefined);
    if (target !== undefined) location.hash = folderLink(agentId, target).slice(1);
  };
  const crumbs = crumbsOf(path);
  return html`<div class="path-bar">
    <nav aria-label="Folder"><ol class="crumbs">${crumbs.map(
      ({ name, path: to }, index) =>
        html`<li key=${to}>${
          index === crumbs.length - 1
            ? html`<span aria-current="page">${said(name)}</span>`
            : html`<a href=${folderLink(agentId, to)}>${said(name)}</a>`
        }</li>`,
    )}</ol></nav>
    <form class="inline-form" onSubmit=${onSubmit}>
      <label class="field grow"><span class="hidden">Go to a path</span>
        <input class="mono" placeholder="Go to /path" value=${typed ?? ''} autocomplete="off" spellcheck=${false} aria-invalid=${wrong}
          onInput=${(event: Event) => setTyped((event.currentTarget as HTMLInputElement).value)} /></label>
      <button class="button">Go</button>
    </form>
    ${wrong ? html`<p class="notice bad" role="alert">Write an absolute path, like /etc/ssh.</p>` : null}
  </div>`;
}
