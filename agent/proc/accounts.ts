import { statSync } from 'node:fs';
import { readText } from './read.ts';

/** Names of users by uid, from /etc/passwd; read again when the file has changed. */
export class Accounts {
  readonly #file: string;
  #names = new Map<number, string>();
  #readAt = '';

  constructor(etc: string) {
    this.#file = `${etc}/passwd`;
  }

  /** Looks whether the file has changed; once for many names. */
  refresh(): void {
    let version = '';
    try {
      const { mtimeMs, size, ino } = statSync(this.#file);
      version = `${mtimeMs} ${size} ${ino}`;
    } catch {
      // Without the file users are numbers.
    }
    if (version === this.#readAt) return;
    this.#readAt = version;
    this.#names = new Map();
    for (const line of readText(this.#file, 'utf8').split('\n')) {
      const [name, , uid] = line.split(':', 3);
      // The first entry of a uid is its name, as getpwuid(3) has it.
      if (name !== undefined && uid !== undefined && !this.#names.has(Number(uid)))
        this.#names.set(Number(uid), name);
    }
  }

  /** The number itself where there is no name (users of a directory service, of containers). */
  name(uid: number): string {
    return this.#names.get(uid) ?? String(uid);
  }
}
