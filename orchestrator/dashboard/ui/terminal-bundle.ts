import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../net/api.ts';

type Script = typeof import('../terminal/bundle.ts');
export type TerminalBundle = Script['terminalBundle'];

let loading: Promise<TerminalBundle> | undefined;

function styles(): Promise<void> {
  return new Promise((resolve, reject) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = new URL('terminal.css', import.meta.url).href;
    link.onload = () => resolve();
    link.onerror = () => reject(new Error('terminal.css'));
    document.head.append(link);
  });
}

/** The code of terminals is a file of its own, loaded by the first page that shows one. */
export function useTerminalBundle(): TerminalBundle | ApiError | undefined {
  const [bundle, setBundle] = useState<TerminalBundle | ApiError | undefined>(undefined);
  useEffect(() => {
    const script = new URL('terminal.js', import.meta.url).href;
    loading ??= Promise.all([import(script) as Promise<Script>, styles()]).then(
      ([{ terminalBundle }]) => terminalBundle,
    );
    loading.then(setBundle, () => {
      loading = undefined;
      setBundle(
        new ApiError(0, { detail: 'The terminal’s files could not be loaded.', hint: 'Reload the page.' }),
      );
    });
  }, []);
  return bundle;
}
