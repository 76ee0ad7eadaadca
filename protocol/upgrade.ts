import { z } from 'zod';

const time = z.iso.datetime();
/** A folder in `versions/`: a plain name. */
const folder = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/);

export const upgradeStateSchema = z.enum(['prepared', 'switched', 'committed', 'rolled_back']);
export type UpgradeState = z.infer<typeof upgradeStateSchema>;

/**
 * `versions/upgrade.json`: the last upgrade, and how far it came. It is written before each thing that it names, so
 * that whoever reads it after a power cut knows what may have happened. Root's, as its folder is.
 */
export const upgradeRecordSchema = z.object({
  id: z.string(),
  from: folder,
  to: folder,
  from_version: z.string(),
  to_version: z.string(),
  /** Of the release; what is older is refused once this one is committed. */
  sequence: z.number().int().nonnegative(),
  state: upgradeStateSchema,
  /** Why it was rolled back. */
  reason: z.string().optional(),
  /** The version before was connected to its orchestrator, so the new one has to be as well. */
  could_connect: z.boolean(),
  /** How long the new version has to become good, in seconds, after each boot. */
  grace: z.number().positive(),
  started_at: time,
  switched_at: time.optional(),
  ended_at: time.optional(),
  /** The boot in which the watch last began, and how many boots there were since the switch. */
  boot_id: z.string().optional(),
  boots: z.number().int().nonnegative().default(0),
});
export type UpgradeRecord = z.infer<typeof upgradeRecordSchema>;

/** `versions/release.json`: the newest release that was installed here. An older one is a downgrade. */
export const installedReleaseSchema = z.object({
  version: z.string(),
  sequence: z.number().int().nonnegative(),
});
export type InstalledRelease = z.infer<typeof installedReleaseSchema>;

/** What `vm-agent upgrade --json` prints last. */
export const upgradeReportSchema = z.object({
  state: z.enum(['up_to_date', 'available', 'committed', 'rolled_back']),
  from: z.string(),
  to: z.string(),
  reason: z.string().optional(),
});
export type UpgradeReport = z.infer<typeof upgradeReportSchema>;

export const UPGRADE_TOOL = 'upgrade_agent';

/** A version as a release names it; nothing in it means anything to a shell. */
export const versionArgument = z.string().regex(/^[0-9][A-Za-z0-9.+-]{0,63}$/, 'must look like 1.2.3');

export const upgradeArgumentsSchema = z.strictObject({
  version: versionArgument.optional().describe('Default: the release that the orchestrator offers'),
  allow_downgrade: z.boolean().optional(),
});
export type UpgradeArguments = z.infer<typeof upgradeArgumentsSchema>;
