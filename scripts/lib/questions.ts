import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

export interface Question {
  text: string;
  /** Taken when the answer is empty. */
  otherwise?: string | undefined;
  /** What is typed is not shown. */
  secret?: boolean;
  /** Why an answer will not do; undefined when it will. */
  refuse?: (answer: string) => string | undefined;
}

export interface Questions {
  /** Asks until the answer will do. Rejects when whoever sat there has gone (Ctrl-C, Ctrl-D). */
  ask(question: Question): Promise<string>;
  close(): void;
}

/** Questions on a terminal. One reader for all of them, so that the terminal itself never shows what is typed ahead. */
export function openQuestions(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Questions {
  let hidden = false;
  const echo = new Writable({
    write(piece, _encoding, done) {
      if (!hidden) output.write(piece);
      done();
    },
  });
  const reader = createInterface({ input, output: echo, terminal: true });
  const gone = new AbortController();
  reader.on('close', () => gone.abort(new Error('nobody answers')));
  const once = async ({ text, otherwise, secret }: Question): Promise<string> => {
    const prompt = `${text}${otherwise === undefined || otherwise === '' ? '' : ` [${otherwise}]`}: `;
    if (!secret) return reader.question(prompt, { signal: gone.signal });
    output.write(prompt);
    hidden = true;
    try {
      return await reader.question('', { signal: gone.signal });
    } finally {
      hidden = false;
      output.write('\n');
    }
  };
  return {
    async ask(question) {
      for (;;) {
        const answer = (await once(question)).trim() || (question.otherwise ?? '');
        const refusal = question.refuse?.(answer);
        if (refusal === undefined) return answer;
        output.write(`${refusal}\n`);
      }
    },
    close: () => reader.close(),
  };
}
