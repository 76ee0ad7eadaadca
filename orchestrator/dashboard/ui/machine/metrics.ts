import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Metrics } from '../../../../protocol/rest-metrics.ts';
import type { Chart, ChartData } from '../../charts.ts';
import {
  bridged,
  CHARTS,
  type ChartSpec,
  formatValue,
  knownLines,
  RANGES,
  type RangeId,
  summaryOf,
  tableRows,
} from '../../model/metric-lines.ts';
import { fetchMetrics } from '../../net/agent-api.ts';
import { serverNow } from '../../net/api.ts';
import { usePolling } from '../../net/hooks.ts';
import { loadCharts } from '../../net/lazy.ts';
import { Empty, ErrorBox, Loading } from '../bits.ts';
import { html, view } from '../html.ts';
import type { TabProps } from './context.ts';

/** Heartbeats come every 30 s. */
const LIVE_MS = 15_000;
const SLOW_MS = 60_000;
const TABLE_ROWS = 24;

export function MetricsTab({ agent, at, query }: TabProps): VNode {
  const chosen = RANGES.find(({ id }) => id === query.get('range')) ?? RANGES[0];
  const [asTable, setAsTable] = useState(false);
  const { data, error, refresh } = usePolling(
    (signal) => {
      const to = serverNow() / 1000;
      return fetchMetrics(at, { from: to - chosen.seconds, to }, signal);
    },
    chosen.seconds <= 6 * 3600 ? LIVE_MS : SLOW_MS,
    [at.org, at.id, chosen.id],
  );
  return html`<div>
    <div class="tab-bar">
      ${view(RangeChoice, { id: agent.agent_id, chosen: chosen.id })}
      <label class="check"><input type="checkbox" checked=${asTable} onChange=${() => setAsTable(!asTable)} /> Show as tables</label>
      ${agent.online ? null : html`<span class="quiet">The machine is offline; nothing new comes.</span>`}
    </div>
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: refresh })}
    ${data === undefined ? (error === undefined ? view(Loading, { what: 'metrics' }) : null) : view(Charts, { metrics: data, asTable })}
  </div>`;
}

function RangeChoice({ id, chosen }: { id: string; chosen: RangeId }): VNode {
  return html`<nav class="segmented" aria-label="Time range">${RANGES.map(
    ({ id: range, label }) =>
      html`<a key=${range} href=${`#/agents/${id}/metrics?range=${range}`} aria-current=${range === chosen ? 'true' : undefined}>${label}</a>`,
  )}</nav>`;
}

function Charts({ metrics, asTable }: { metrics: Metrics; asTable: boolean }): VNode {
  const known = CHARTS.filter((chart) => knownLines(metrics, chart).length > 0);
  if (known.length === 0)
    return view(Empty, {
      title: 'Nothing was reported in this time',
      text: 'Agents tell of their load every 30 seconds while they are connected. Choose a longer range, or wait for the next heartbeat.',
    });
  return html`<div class="charts">${known.map((chart) => view(ChartCard, { key: chart.id, metrics, chart, asTable }))}</div>`;
}

function ChartCard({
  metrics,
  chart,
  asTable,
}: {
  metrics: Metrics;
  chart: ChartSpec;
  asTable: boolean;
}): VNode {
  const lines = knownLines(metrics, chart);
  const heading = `chart-${chart.id}`;
  return html`<section class="card chart" aria-labelledby=${heading}>
    <h2 id=${heading}>${chart.title}</h2>
    <dl class="chart-legend">${lines.map(({ name, label }, index) => {
      const { last, mean, max } = summaryOf(metrics, name);
      const text = `${formatValue(chart.unit, last)} now, ${formatValue(chart.unit, mean)} mean, ${formatValue(chart.unit, max)} at most`;
      return html`<div key=${name}><dt><span class=${`swatch line-${index + 1}`} aria-hidden="true"></span>${label}</dt><dd>${text}</dd></div>`;
    })}</dl>
    ${
      asTable
        ? view(ChartTable, { metrics, chart })
        : view(Canvas, { key: lines.map(({ name }) => name).join(), metrics, chart })
    }
  </section>`;
}

/** The picture; the legend above it and the table instead of it say the same in words. */
function Canvas({ metrics, chart }: { metrics: Metrics; chart: ChartSpec }): VNode {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<Chart | undefined>(undefined);
  const [failed, setFailed] = useState(false);
  const lines = knownLines(metrics, chart);
  const latest = useRef(metrics);
  latest.current = metrics;
  const update = () => {
    const { times, series, from, to } = latest.current;
    const data: ChartData = [times, ...lines.map(({ name }) => bridged(series[name].mean))];
    drawn.current?.update(data, { from, to });
  };
  useEffect(() => {
    let gone = false;
    loadCharts().then(
      ({ mountChart }) => {
        if (gone || box.current === null) return;
        drawn.current = mountChart({
          box: box.current,
          lines,
          atLeast: chart.unit === 'share' ? 0.05 : chart.unit === 'number' ? 1 : 1024,
          atMost: chart.unit === 'share' ? 1 : undefined,
          format: (value) => formatValue(chart.unit, value),
          binary: chart.unit === 'bytes' || chart.unit === 'rate',
        });
        update();
      },
      () => setFailed(true),
    );
    return () => {
      gone = true;
      drawn.current?.destroy();
      drawn.current = undefined;
    };
  }, []);
  useEffect(update, [metrics]);
  return failed
    ? view(ChartTable, { metrics, chart })
    : html`<div class="chart-box" ref=${box} aria-hidden="true"></div>`;
}

function ChartTable({ metrics, chart }: { metrics: Metrics; chart: ChartSpec }): VNode {
  const lines = knownLines(metrics, chart);
  const columns = lines.map(({ name }) => tableRows(metrics, name, TABLE_ROWS));
  return html`<div class="table-box" tabIndex="0" role="region" aria-label=${`${chart.title} over time, table`}><table class="numbers">
    <caption class="hidden">${chart.title} over time</caption>
    <thead><tr><th scope="col">From</th>${lines.map(({ label }) => html`<th scope="col">${label}, mean</th><th scope="col">${label}, most</th>`)}</tr></thead>
    <tbody>${(columns[0] ?? []).map(
      (
        { time },
        row,
      ) => html`<tr key=${time}><td>${new Date(time * 1000).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'short' })}</td>
        ${columns.map((column, line) => html`<td data-label=${`${lines[line]?.label}, mean`}>${formatValue(chart.unit, column[row]?.mean)}</td><td data-label=${`${lines[line]?.label}, most`}>${formatValue(chart.unit, column[row]?.max)}</td>`)}</tr>`,
    )}</tbody></table></div>`;
}
