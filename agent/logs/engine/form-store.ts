/** Keeps a bounded number of forms: when there are too many, those of one pattern are joined, then rare ones lumped. */
import type { LogLevelName } from '../../../protocol/log-tools.ts';
import type { Columns } from './canonical.ts';
import { type Form, type FormGroup, formKey, mergeForms } from './merge.ts';
import { ANY, NUM, SEPARATOR, WORD } from './token-kinds.ts';
import { addText, createValueStats, mergeStats, type ValueStats } from './values.ts';

export interface MinedForm extends Form {
  index: number;
  count: number;
  /** By column; undefined for constants. */
  stats: (ValueStats | undefined)[];
  /** Kinds of the values seen in each column, a bit for each. */
  seen: number[];
  /** Stands for messages of many forms that share their first word at most. */
  lump: boolean;
  /** The level that its words hint at, once it was asked for. */
  hint: LogLevelName | undefined;
  /** The hint holds for one message alone. */
  hintVaries: boolean;
}

export interface FormStore {
  /** The form of a message, a new one if need be. */
  find(columns: Columns, suffix: string): MinedForm;
  /** The form that the one with this index is part of by now. */
  at(index: number): MinedForm | undefined;
  all(): MinedForm[];
  /** Grows when forms were joined, so that what was remembered of them is void. */
  generation(): number;
}

/** More first words than this share of the forms are not kept apart when lumped. */
const LUMPS = 0.1;
/** So many forms there may ever be; later ones go into lumps at once. */
const MAX_INDEX = 1_000_000;
const MAX_MASKS = 16;

export function createFormStore(maxForms: number): FormStore {
  let forms = new Map<string, MinedForm>();
  let owners = new Int32Array(1024);
  const byIndex = new Map<number, MinedForm>();
  /** For forms of each shape the sets of columns that were found to vary. */
  const masks = new Map<string, number[][]>();
  const lumps = new Map<string, MinedForm>();
  let next = 0;
  let generation = 0;

  function create(columns: Form, lump: boolean): MinedForm {
    const { texts, kinds, spaced, suffix } = columns;
    const index = next++;
    if (index >= owners.length) {
      const larger = new Int32Array(owners.length * 2);
      larger.set(owners);
      owners = larger;
    }
    owners[index] = index;
    const form: MinedForm = {
      texts: texts.map(detached),
      kinds: [...kinds],
      spaced: [...spaced],
      suffix,
      index,
      count: 0,
      stats: [],
      seen: [],
      lump,
      hint: undefined,
      hintVaries: false,
    };
    byIndex.set(index, form);
    return form;
  }

  function ownerOf(index: number): number {
    let at = index;
    while ((owners[at] as number) !== at) at = owners[at] as number;
    owners[index] = at;
    return at;
  }

  function throughMasks(form: Form): MinedForm | undefined {
    const known = masks.get(shapeOf(form));
    if (known === undefined) return undefined;
    for (const mask of known) {
      const found = forms.get(formKey(masked(form, mask)));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  function absorb(into: MinedForm, form: MinedForm): void {
    into.count += form.count;
    owners[form.index] = into.index;
    byIndex.delete(form.index);
  }

  /** Puts the values of all members at these columns together in one of them. */
  function gather(into: MinedForm, members: readonly MinedForm[], columns: readonly number[]): void {
    for (const column of columns) {
      const stats = createValueStats();
      let seen = 0;
      for (const member of members) {
        const own = member.stats[column];
        const word = member.texts[column] as string;
        if (own !== undefined) mergeStats(stats, own);
        else if (word !== '') addText(stats, word, member.count);
        seen |= word === '' ? (member.seen[column] ?? 0) : 1 << ANY;
      }
      into.stats[column] = stats;
      into.seen[column] = seen;
    }
  }

  /** Joined groups may have become one and the same form: the earlier one takes the later one in. */
  function keep(form: MinedForm): MinedForm {
    const key = formKey(form);
    const known = forms.get(key);
    if (known === undefined) {
      forms.set(key, form);
      return form;
    }
    const open = known.texts.flatMap((_, i) => ((known.kinds[i] as number) >= NUM ? [i] : []));
    gather(known, [known, form], open);
    absorb(known, form);
    return known;
  }

  /** Makes one form of a group, in the place of its first. */
  function join({ forms: members, varies }: FormGroup<MinedForm>): MinedForm {
    const first = members[0] as MinedForm;
    if (members.length === 1) return first;
    const columns = [...varies].sort((a, b) => a - b);
    const known = masks.get(shapeOf(first)) ?? [];
    masks.set(shapeOf(first), [...known, columns].slice(-MAX_MASKS));
    gather(first, members, columns);
    for (const column of columns) {
      first.texts[column] = '';
      first.kinds[column] = ANY;
    }
    for (const member of members.slice(1)) absorb(first, member);
    return first;
  }

  function lumpFor(form: Form): MinedForm {
    const word = form.kinds[0] === WORD ? (form.texts[0] as string) : '';
    const own = `${form.suffix} ${word}`;
    const key = lumps.has(own) || lumps.size < maxForms * LUMPS ? own : '';
    let lump = lumps.get(key);
    if (lump === undefined) {
      const open = { texts: [''], kinds: [ANY], spaced: [false], suffix: key === '' ? '' : form.suffix };
      lump = create(
        key === '' || word === ''
          ? open
          : { ...open, texts: [word, ''], kinds: [WORD, ANY], spaced: [false, true] },
        true,
      );
      lumps.set(key, lump);
    }
    return lump;
  }

  function compact(): void {
    generation++;
    let kept = mergeForms([...forms.values()]).map(join);
    if (kept.length > maxForms * 0.75) {
      // The rarest first, of equals the newest: what the log began with stays.
      const ranked = kept.toSorted((a, b) => b.count - a.count || a.index - b.index);
      const stay = new Set(ranked.slice(0, Math.ceil(maxForms / 2)));
      for (const form of kept) if (!stay.has(form)) absorb(lumpFor(form), form);
      kept = kept.filter((form) => stay.has(form));
    }
    forms = new Map();
    for (const form of kept) keep(form);
  }

  return {
    find(columns, suffix) {
      const draft: Form = { texts: columns.texts, kinds: columns.kinds, spaced: columns.spaced, suffix };
      const key = formKey(draft);
      const known = forms.get(key) ?? throughMasks(draft);
      if (known !== undefined) return known;
      if (next >= MAX_INDEX) return lumpFor(draft);
      const form = create(draft, false);
      if (forms.size >= maxForms) compact();
      return keep(form);
    },
    at: (index) => (index >= 0 && index < next ? byIndex.get(ownerOf(index)) : undefined),
    all: () => [...forms.values(), ...lumps.values()],
    generation: () => generation,
  };
}

const shapeOf = ({ texts, kinds }: Form): string =>
  texts.map((text, i) => (kinds[i] === SEPARATOR ? text : 'w')).join('\u0001');

function masked(form: Form, mask: readonly number[]): Form {
  const texts = [...form.texts];
  const kinds = [...form.kinds];
  for (const column of mask) {
    texts[column] = '';
    kinds[column] = ANY;
  }
  return { ...form, texts, kinds };
}

/** The same text in memory of its own: a part of a line would keep the whole line. */
function detached(text: string): string {
  return text.length < 13 ? text : Buffer.from(text, 'utf16le').toString('utf16le');
}
