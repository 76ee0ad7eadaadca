/** Parts of the page that only some views need come when they are needed; the build makes a file of each. */
const load = <T>(name: string): Promise<T> => import(new URL(name, import.meta.url).href) as Promise<T>;

export const loadCharts = (): Promise<typeof import('../charts.ts')> => load('charts.js');
export const loadSha256 = (): Promise<typeof import('../sha256.ts')> => load('sha256.js');
