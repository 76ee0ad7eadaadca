/** Words that say what happened or how something stands: never taken for values, however they alternate. */
const STATES = new Set(
  'true false yes no on off enabled disabled enable disable up down ok failed success succeeded failure start stop started stopped open close opened closed read write'.split(
    ' ',
  ),
);

export const isState = (word: string): boolean => STATES.has(word) || STATES.has(word.toLowerCase());
