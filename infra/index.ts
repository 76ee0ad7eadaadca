// What the package exports as `vm-agent/infra`.
// biome-ignore-all lint/performance/noBarrelFile: this is the door to the components.
export { AgentFleet, type AgentFleetArgs, type FleetHostArgs } from './components/agent-fleet.ts';
export { AgentHost, type AgentHostArgs } from './components/agent-host.ts';
export {
  AgentUserData,
  type AgentUserDataArgs,
  type UserDataPartArgs,
} from './components/agent-user-data.ts';
export type { SshConnectionArgs, SshProxyArgs } from './components/connection.ts';
export type { OrchestratorArgs } from './components/orchestrator.ts';
export { ProvisioningToken, type ProvisioningTokenArgs } from './components/provisioning-token.ts';
