import { randomHex } from '../../base/random.ts';
import { type VmId, vmIdHostPart, vmIdSchema } from '../../protocol/ids.ts';

/** A fresh `vm-<hostname>-<6 hex>`. Whether another machine has drawn the same, the orchestrator knows. */
export function drawVmId(hostname: string, hex: (digits: number) => string = randomHex): VmId {
  return vmIdSchema.parse(`vm-${vmIdHostPart(hostname)}-${hex(6)}`);
}

/** What the file `vm_id` says; undefined when it holds no vm_id. */
export function parseVmId(text: string): VmId | undefined {
  const result = vmIdSchema.safeParse(text.trim());
  return result.success ? result.data : undefined;
}
