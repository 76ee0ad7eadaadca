import uPlot from 'uplot';

/** Lines over time on a canvas. What a reader needs beyond the picture stands beside it as text: see ui/machine/metrics.ts. */
export interface ChartOptions {
  box: HTMLElement;
  lines: readonly { label: string }[];
  /** Highest value of the axis when nothing is higher. */
  atLeast: number;
  /** Highest value that there can be. */
  atMost: number | undefined;
  format(value: number | null | undefined): string;
  /** Bytes have round numbers of their own. */
  binary: boolean;
}

/** Seconds, then the values of each line. */
export type ChartData = [number[], ...(number | null)[][]];

export interface Chart {
  update(data: ChartData, range: { from: number; to: number }): void;
  destroy(): void;
}

const HEIGHT = 170;
const AXIS_WIDTH = 72;
/** Times of 24 hours, and days as ISO 8601 has them: see the axis values of uPlot. */
const CLOCK: uPlot.Axis.Values = [
  [24 * 3600, '{MM}-{DD}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', '\n{YYYY}-{MM}-{DD}', null, '\n{MM}-{DD}', null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', '\n{YYYY}-{MM}-{DD}', null, '\n{MM}-{DD}', null, null, null, 1],
];
const BINARY_STEPS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** A canvas knows no variables of a style sheet: they are asked of an element that has them. */
function colours(box: HTMLElement): { lines: string[]; fills: string[]; text: string; grid: string } {
  const of = (name: string) => {
    const probe = box.ownerDocument.createElement('span');
    probe.className = `chart-colour ${name}`;
    box.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
  return {
    lines: [of('line-1'), of('line-2')],
    fills: [of('fill-1'), of('fill-2')],
    text: of('text'),
    grid: of('grid'),
  };
}

const timeText = (seconds: number): string =>
  new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' });

/** Says what the lines are where the pointer is. */
function tooltip({ lines, format }: ChartOptions): uPlot.Plugin {
  const tip = document.createElement('div');
  tip.className = 'chart-tip';
  tip.hidden = true;
  return {
    hooks: {
      init: (plot) => void plot.over.append(tip),
      setCursor(plot) {
        const { idx, left = -1, top = 0 } = plot.cursor;
        const time = typeof idx === 'number' ? plot.data[0][idx] : undefined;
        tip.hidden = time === undefined || left < 0;
        if (tip.hidden || typeof idx !== 'number' || time === undefined) return;
        tip.replaceChildren(
          timeText(time),
          ...lines.map(({ label }, line) => {
            const row = document.createElement('div');
            row.textContent = `${label}: ${format(plot.data[line + 1]?.[idx])}`;
            return row;
          }),
        );
        const right = left > plot.over.clientWidth / 2;
        tip.style.left = right ? '' : `${left + 12}px`;
        tip.style.right = right ? `${plot.over.clientWidth - left + 12}px` : '';
        tip.style.top = `${Math.max(0, Math.min(top, plot.over.clientHeight - 60))}px`;
      },
    },
  };
}

const lonely = (line: uPlot.AlignedData[number] | undefined): boolean =>
  [...(line ?? [])].filter((value) => typeof value === 'number').length < 3;

export function mountChart(options: ChartOptions): Chart {
  const { box, lines, atLeast, atMost, format, binary } = options;
  let data: ChartData = [[], ...lines.map(() => [])];
  let range = { from: 0, to: 1 };
  let plot: uPlot | undefined;

  function draw(): void {
    plot?.destroy();
    const { lines: strokes, fills, text, grid } = colours(box);
    const axis = {
      stroke: text,
      grid: { stroke: grid, width: 1 },
      ticks: { stroke: grid, width: 1 },
      font: '12px system-ui',
    };
    plot = new uPlot(
      {
        width: Math.max(200, box.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, drag: { setScale: false, x: false, y: false } },
        scales: {
          x: { time: true, range: () => [range.from, range.to] },
          y: {
            range: (_plot, _low, high) => {
              const top = Math.max(atLeast, (high ?? 0) * 1.1);
              return [0, atMost === undefined ? top : Math.min(atMost, top)];
            },
          },
        },
        axes: [
          { ...axis, values: CLOCK },
          {
            ...axis,
            size: AXIS_WIDTH,
            values: (_plot, values) => values.map((value) => format(value)),
            ...(binary
              ? {
                  incrs: [0, 1, 2, 3, 4].flatMap((power) => BINARY_STEPS.map((step) => step * 1024 ** power)),
                }
              : {}),
          },
        ],
        series: [
          {},
          ...lines.map(({ label }, line) => ({
            label,
            stroke: strokes[line] ?? text,
            width: 1.5,
            // Who was only just enrolled has no line yet.
            points: { show: (shown: uPlot, at: number) => lonely(shown.data[at]) },
            ...(lines.length === 1 ? { fill: fills[line] ?? text } : {}),
          })),
        ],
        plugins: [tooltip(options)],
      },
      data,
      box,
    );
  }

  const resize = new ResizeObserver(() => {
    if (plot !== undefined && Math.abs(plot.width - box.clientWidth) > 1 && box.clientWidth > 0)
      plot.setSize({ width: box.clientWidth, height: HEIGHT });
  });
  draw();
  resize.observe(box);
  // The system's colours and the person's choice of them.
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  const chosen = new MutationObserver(draw);
  scheme.addEventListener('change', draw);
  chosen.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });

  return {
    update(next, shown) {
      data = next;
      range = shown;
      plot?.setData(data);
    },
    destroy() {
      resize.disconnect();
      chosen.disconnect();
      scheme.removeEventListener('change', draw);
      plot?.destroy();
    },
  };
}
