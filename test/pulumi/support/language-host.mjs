// A stand-in for `pulumi-language-nodejs`, which comes with Pulumi's own packages alone: what the engine starts to run a
// program in Node. As the real one it starts the SDK's `cmd/run` in the program's folder; it can do nothing else. The
// engine passes its address; the port that this listens on goes to stdout.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const sdk = createRequire(createRequire(import.meta.url).resolve('@pulumi/pulumi/package.json'));
const grpc = sdk('@grpc/grpc-js');
const { LanguageRuntimeService } = sdk('@pulumi/pulumi/proto/language_grpc_pb.js');
const language = sdk('@pulumi/pulumi/proto/language_pb.js');
const { PluginInfo } = sdk('@pulumi/pulumi/proto/plugin_pb.js');

/** The exit code by which a program says that it has told what was wrong. */
const BAIL = 32;
const engine = process.argv.slice(2).find((word) => !word.startsWith('-'));

function run(call, answer) {
  const request = call.request;
  const info = request.getInfo();
  const words = [
    join(request.getPwd(), 'node_modules/@pulumi/pulumi/cmd/run'),
    `--monitor=${request.getMonitorAddress()}`,
    `--engine=${engine}`,
    `--project=${request.getProject()}`,
    `--stack=${request.getStack()}`,
    `--organization=${request.getOrganization()}`,
    `--parallel=${request.getParallel()}`,
    `--pwd=${request.getPwd()}`,
    `--root-directory=${info.getRootDirectory()}`,
    ...(request.getDryrun() ? ['--dry-run'] : []),
    info.getEntryPoint() || '.',
  ];
  const config = {};
  for (const [key, value] of request.getConfigMap().entries()) config[key] = value;
  const env = {
    ...process.env,
    PULUMI_CONFIG: JSON.stringify(config),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
  };
  const child = spawn('node', words, { cwd: request.getPwd(), env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said += chunk;
    });
  child.on('close', (code) => {
    const response = new language.RunResponse();
    if (code === BAIL) response.setBail(true);
    else if (code !== 0) response.setError(`the program ended with ${code}\n${said}`);
    answer(null, response);
  });
}

const implemented = {
  run,
  getPluginInfo: (_call, answer) => {
    const info = new PluginInfo();
    info.setVersion('0.0.0');
    answer(null, info);
  },
  getRequiredPlugins: (_call, answer) => answer(null, new language.GetRequiredPluginsResponse()),
  getRequiredPackages: (_call, answer) => answer(null, new language.GetRequiredPackagesResponse()),
};
const unimplemented = (_call, answer) => answer({ code: grpc.status.UNIMPLEMENTED });
const server = new grpc.Server();
server.addService(LanguageRuntimeService, {
  ...Object.fromEntries(Object.keys(LanguageRuntimeService).map((name) => [name, unimplemented])),
  ...implemented,
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
