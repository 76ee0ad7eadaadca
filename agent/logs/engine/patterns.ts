/** Makes what people read of the forms that were mined. */
import { createHash } from 'node:crypto';
import type { FormStore, MinedForm } from './form-store.ts';
import { type FormGroup, mergeForms } from './merge.ts';
import { ANY, DURATION, HEX, IP, NUM, PATH, UUID } from './token-kinds.ts';
import type { LogPattern, ParameterType, PatternParameter } from './types.ts';
import { addText, createValueStats, mergeStats } from './values.ts';

const TYPES: Readonly<Record<number, ParameterType>> = {
  [NUM]: 'num',
  [IP]: 'ip',
  [PATH]: 'path',
  [UUID]: 'uuid',
  [HEX]: 'hex',
  [DURATION]: 'duration',
};

const TOP = 10;
const HEX_OR_NUMBER = (1 << HEX) | (1 << NUM);

export interface PatternBook {
  pattern(index: number): LogPattern;
  patterns(): LogPattern[];
}

/** Reads the store when asked; until there are new forms the grouping is kept. */
export function createPatternBook(store: FormStore): PatternBook {
  let grouped:
    | { forms: number; generation: number; groups: Group[]; byForm: Map<MinedForm, Group> }
    | undefined;

  function groups() {
    const forms = store.all().filter(({ count }) => count > 0);
    const generation = store.generation();
    if (grouped?.forms === forms.length && grouped.generation === generation) return grouped;
    const lumps = forms
      .filter(({ lump }) => lump)
      .map((form) => ({ forms: [form], varies: new Set<number>() }));
    const byTemplate = new Map<string, Group>();
    for (const group of [...mergeForms(forms.filter(({ lump }) => !lump)), ...lumps]) {
      const bare = render(group, () => '*');
      const known = byTemplate.get(bare);
      if (known === undefined) byTemplate.set(bare, { id: idOf(bare), parts: [group] });
      else known.parts.push(group);
    }
    const all = [...byTemplate.values()];
    const byForm = new Map<MinedForm, Group>();
    for (const group of all)
      for (const part of group.parts) for (const form of part.forms) byForm.set(form, group);
    grouped = { forms: forms.length, generation, groups: all, byForm };
    return grouped;
  }

  return {
    pattern(index) {
      const form = store.at(index);
      const group = form === undefined ? undefined : groups().byForm.get(form);
      if (group === undefined) throw new RangeError(`no pattern ${index}`);
      return patternOf(group);
    },
    patterns: () =>
      groups()
        .groups.map(patternOf)
        .sort((a, b) => b.count - a.count || a.index - b.index),
  };
}

interface Group {
  id: string;
  /** Nearly always one; several where their templates turned out the same. */
  parts: FormGroup<MinedForm>[];
  /** As it was made last: good while no event came since. */
  made?: LogPattern;
}

const idOf = (bare: string): string => createHash('sha256').update(bare).digest('hex').slice(0, 12);

function patternOf(group: Group): LogPattern {
  const { id, parts } = group;
  const forms = parts.flatMap((one) => one.forms);
  const count = forms.reduce((sum, form) => sum + form.count, 0);
  if (group.made?.count === count) return group.made;
  const part = parts[0] as FormGroup<MinedForm>;
  const parameters: PatternParameter[] = [];
  const template = render(part, (column) => {
    const parameter = parameterOf(parts, column);
    parameters.push(parameter);
    return parameter.type;
  });
  const index = forms.reduce((least, form) => Math.min(least, form.index), Number.POSITIVE_INFINITY);
  group.made = { id, template, parameters, count, index };
  return group.made;
}

function render({ forms, varies }: FormGroup<MinedForm>, typeOf: (column: number) => ParameterType): string {
  const { texts, kinds, spaced, suffix } = forms[0] as MinedForm;
  let template = '';
  for (let i = 0; i < texts.length; i++) {
    const open = varies.has(i) || (kinds[i] as number) >= NUM;
    template += `${spaced[i] ? ' ' : ''}${open ? `<${typeOf(i)}>` : texts[i]}`;
  }
  return suffix === '' ? template : `${template} ${suffix}`;
}

function parameterOf(parts: readonly FormGroup<MinedForm>[], column: number): PatternParameter {
  const all = createValueStats();
  let seen = 0;
  for (const { forms } of parts)
    for (const form of forms) {
      const own = form.stats[column];
      if (own !== undefined) mergeStats(all, own);
      const word = form.texts[column];
      if (word !== undefined && word !== '') {
        addText(all, word, form.count);
        seen |= 1 << ANY;
      } else seen |= form.seen[column] ?? 0;
    }
  const ranked = all.values.map((value, i) => ({ value, count: all.counts[i] as number }));
  ranked.sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1));
  return {
    type: typeOf(seen),
    examples: all.examples,
    top: ranked.slice(0, TOP),
    distinct: all.values.length,
    more: all.more,
  };
}

/** Of several kinds there is no name but for numbers that are written in either way. */
function typeOf(seen: number): ParameterType {
  if (seen !== 0 && (seen & ~HEX_OR_NUMBER) === 0 && seen & (1 << HEX)) return 'hex';
  for (const [kind, type] of Object.entries(TYPES)) if (seen === 1 << Number(kind)) return type;
  return '*';
}
