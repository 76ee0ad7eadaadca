/**
 * Sorts messages into forms while they stream by, in bounded memory: a message is scanned, its hash finds the form at
 * once if one like it was seen, and only a new one is looked at closely.
 */
import { type Columns, canonicalize } from './canonical.ts';
import { createFormStore, type FormStore, type MinedForm } from './form-store.ts';
import { createScan, type Scan, scanMessage } from './scan.ts';
import { NUM } from './token-kinds.ts';
import { addValue, createValueStats } from './values.ts';

export interface Miner {
  /** Takes the message that begins at `from`. `suffix` is a constant that sets it apart from others. */
  add(text: string, from: number, suffix?: string): MinedForm;
  store: FormStore;
}

interface Entry {
  form: MinedForm;
  /** Column, first and last token of each value. */
  slots: Int32Array;
}

const MAX_ENTRIES = 20_000;

export function createMiner(maxForms: number): Miner {
  const scan = createScan();
  const entries = new Map<number, Entry>();
  const store = createFormStore(maxForms);
  let generation = store.generation();

  return {
    store,
    add(text, from, suffix = '') {
      scanMessage(scan, text, from, suffix === '' ? 0 : hashOf(suffix));
      const key = scan.hash;
      let entry = entries.get(key);
      if (entry === undefined) {
        const columns = canonicalize(scan, text);
        const form = store.find(columns, suffix);
        entry = { form, slots: slotsOf(form, columns) };
        if (entries.size >= MAX_ENTRIES || store.generation() !== generation) entries.clear();
        generation = store.generation();
        entries.set(key, entry);
      }
      const { form, slots } = entry;
      form.count++;
      collect(form, slots, scan, text);
      return form;
    },
  };
}

function slotsOf(form: MinedForm, { firsts, lasts, texts }: Columns): Int32Array {
  const slots: number[] = [];
  // Of messages that were lumped together the places of the values differ.
  if (form.texts.length === texts.length && !form.lump)
    form.kinds.forEach((kind, column) => {
      const first = firsts[column] as number;
      if (kind >= NUM && first >= 0) slots.push(column, first, lasts[column] as number);
    });
  return Int32Array.from(slots);
}

function collect(form: MinedForm, slots: Int32Array, scan: Scan, text: string): void {
  for (let i = 0; i < slots.length; i += 3) {
    const column = slots[i] as number;
    const first = slots[i + 1] as number;
    const last = slots[i + 2] as number;
    const kind = first === last ? (scan.kinds[first] as number) : (form.kinds[column] as number);
    form.seen[column] = (form.seen[column] ?? 0) | (1 << kind);
    let stats = form.stats[column];
    if (stats === undefined) {
      stats = createValueStats();
      form.stats[column] = stats;
    }
    addValue(stats, text, scan.starts[first] as number, scan.ends[last] as number);
  }
}

function hashOf(text: string): number {
  let hash = 7;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}
