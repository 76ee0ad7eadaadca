/** Tells lines of stack traces, and others that go on, from lines that begin something new. */

const FRAME =
  /^\s*(?:at\s+\S|\.\.\. \d+ (?:more|common frames)|Caused by: |Suppressed: |File ".*", line \d|Traceback \(most recent call last\)|During handling of the above exception|The above exception was the direct cause|goroutine \d+ \[|created by |\[cause\]: |\^+\s*$|exit status \d)/;

/** Where a trace stands at. */
export interface TraceState {
  kind: 'none' | 'python' | 'go';
}

/** Whether the line goes on with what came before, by its look alone. Changes the state. */
export function goesOn(line: string, state: TraceState): boolean {
  const code = line.charCodeAt(0);
  const blank = line === '' || line.trim() === '';
  if (state.kind === 'go') {
    if (
      blank ||
      code === 9 ||
      /^(?:goroutine \d|created by |exit status|\[signal )/.test(line) ||
      line.endsWith(')')
    )
      return true;
    state.kind = 'none';
  }
  if (state.kind === 'python' && !blank && code !== 32 && code !== 9) {
    // The last line of a traceback is its error, and is not indented.
    state.kind = 'none';
    return /^[\w.]+(?:: |$)/.test(line);
  }
  if (blank) return true;
  if (
    code !== 32 &&
    code !== 9 &&
    code !== 67 &&
    code !== 83 &&
    code !== 84 &&
    code !== 68 &&
    code !== 103 &&
    code !== 46
  )
    return code === 125 && line.length < 4;
  if (!FRAME.test(line)) return code === 32 || code === 9;
  if (/^\s*Traceback/.test(line) || (state.kind === 'python' && code === 32)) state.kind = 'python';
  else if (line.startsWith('goroutine ')) state.kind = 'go';
  return true;
}
