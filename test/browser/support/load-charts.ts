import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Page } from 'playwright-core';

/** An hour of history that an agent told of: one that was just started has seconds. */
export function fillMetrics(dataDir: string, vmId: string): void {
  const database = new DatabaseSync(join(dataDir, 'orchestrator.db'));
  database.exec('PRAGMA busy_timeout = 5000');
  const now = Math.floor(Date.now() / 1000);
  const put = database.prepare('INSERT OR REPLACE INTO metric_blocks VALUES (?, ?, 30, ?, ?)');
  const row = database.prepare('SELECT organization_id, id FROM agents WHERE vm_id = ?').get(vmId) ?? {};
  for (let start = Math.floor(now / 300) * 300 - 300; start > now - 3600; start -= 300) {
    const wave = (scale: number) =>
      Array.from({ length: 10 }, (_, i) => scale * (1 + Math.sin((start + i * 30) / 300)));
    const mean = {
      cpu_used: wave(0.3),
      memory_used: wave(0.2),
      load1: wave(0.8),
      net_rx_bytes_s: wave(40_000).map(Math.round),
      net_tx_bytes_s: wave(90_000).map(Math.round),
    };
    put.run(String(row['organization_id']), String(row['id']), start, JSON.stringify({ mean }));
  }
  database.close();
}

/** Resolves when the first chart has its line: that is blue; text and grid are grey. */
export async function chartIsDrawn(page: Page): Promise<void> {
  await page.waitForFunction(`(() => {
    const canvas = document.querySelector('.chart canvas');
    const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let blue = 0;
    for (let at = 0; at < bytes.length; at += 4)
      if (bytes[at + 2] - bytes[at] > 80 && bytes[at + 3] > 200) blue += 1;
    return blue > 200;
  })()`);
}
