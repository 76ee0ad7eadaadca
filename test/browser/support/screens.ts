import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { seriousIssues } from './axe.ts';
import { picture } from './stage.ts';

const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } };

/** A page in one of the states that it has. */
export interface Screen {
  name: string;
  hash: string;
  /** What is there when it is ready. */
  shows: string | RegExp;
  /** What is opened on it then. */
  open?(page: Page): Promise<unknown>;
}

/** Both sizes in both colours: no serious finding of axe, and nothing that makes the page wider than its screen. */
export async function inspect(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries(SIZES))
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await picture(page, `${name}-${size}-${colorScheme}`);
      const where = `${name}, ${size}, ${colorScheme}`;
      const wide = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      expect(wide, `${where}: scrolls sideways`).toBeLessThanOrEqual(0);
      expect(await seriousIssues(page), where).toEqual([]);
    }
  await page.setViewportSize({ width: 1280, height: 900 });
}

/** Links of the page's own navigation that it shows now. */
export const navigation = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(
    "[...document.querySelectorAll('nav a')].map((link) => link.getAttribute('href').split('?')[0])",
  );

const TABLE = new URL('../../../orchestrator/dashboard/pages.ts', import.meta.url).href;

/** Every page's pattern. Not by a plain import: the types of a browser and those of Node do not go together. */
export async function patterns(): Promise<string[]> {
  const { PAGES } = (await import(TABLE)) as { PAGES: ReadonlyMap<string, unknown> };
  return [...PAGES.keys()];
}
