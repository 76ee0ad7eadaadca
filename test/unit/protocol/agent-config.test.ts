import { describe, expect, it } from 'vitest';
import { agentConfigSchema } from '../../../protocol/agent-config.ts';

describe('agent_config.yaml', () => {
  it('has the published defaults when it is empty', () => {
    const config = agentConfigSchema.parse({});
    expect(config.server).toEqual({
      host: '0.0.0.0',
      port: 8080,
      ssl: { enabled: true, plain_loopback: true },
    });
    expect(config.orchestrator).toMatchObject({ heartbeat_interval: 30, command_poll_interval: 5 });
    expect(config.tools.shell_executor).toEqual({ enabled: true, timeout: 300 });
    expect(config.tools.file_manager.max_file_size).toBe(100 * 1024 * 1024);
    expect(config.tools.system_monitor.interval).toBe(60);
    expect(config.tools.log_analyzer.max_lines).toBe(10_000);
    expect(config.logging).toEqual({
      level: 'INFO',
      modules: {},
      max_size: 100 * 1024 * 1024,
      backup_count: 5,
    });
    expect(config.security).toEqual({ enabled: true, mtls: true, api_key_required: true });
  });

  it.each([
    ['100MB', 104_857_600],
    ['64 kb', 65_536],
    ['1GB', 1_073_741_824],
    [4096, 4096],
  ])('reads the size %j as %d bytes', (text, bytes) => {
    expect(agentConfigSchema.parse({ logging: { max_size: text } }).logging.max_size).toBe(bytes);
  });

  it.each([
    { orchestrator: { url: 'http://o.example' } },
    { orchestrator: { websocket_url: 'ws://o.example/' } },
    { server: { port: 70_000 } },
    { logging: { max_size: 'big' } },
    { tools: { shell_executor: { timeout: 0 } } },
    { unknown: 1 },
    { server: { prot: 1 } },
  ])('refuses %j', (data) => {
    expect(agentConfigSchema.safeParse(data).success).toBe(false);
  });
});
