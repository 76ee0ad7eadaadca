import { AppError } from '../../protocol/errors.ts';
import { shellQuote } from '../../protocol/shell-quote.ts';

/**
 * `https://host[:port]` of an address that people and machines reach, and nothing else in it: it is pasted into
 * shells (CVE-2022-36633 is what happens otherwise).
 * @throws AppError `config_invalid`
 */
export function checkPublicUrl(text: string): URL {
  const invalid = (detail: string) =>
    new AppError('config_invalid', { detail, hint: 'Give https://HOST or https://HOST:PORT.' });
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new AppError('config_invalid', {
      detail: `The public URL ${JSON.stringify(text)} is no URL.`,
      hint: 'Give https://HOST or https://HOST:PORT.',
      cause,
    });
  }
  if (url.protocol !== 'https:')
    throw invalid(`The public URL must begin with https://, not ${url.protocol}//.`);
  if (url.username || url.password || url.search || url.hash || url.pathname !== '/') {
    throw invalid('The public URL must hold a host and a port alone.');
  }
  if (!/^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/.test(url.hostname)) {
    throw invalid(
      `The public URL's host ${JSON.stringify(url.hostname)} has characters that no host name has.`,
    );
  }
  return url;
}

export interface EnrollmentAddress {
  /** `https://host[:port]`, from {@link checkPublicUrl}. */
  origin: string;
  /** PEM of the private root; undefined when machines trust the server's certificate anyway. */
  rootCertificate: string | undefined;
}

/**
 * A line for a POSIX shell that enrolls the machine it is pasted on; it needs curl or wget. The private root travels
 * inside, so that the download is verified from its first byte. The token goes through a pipe from the shell's own
 * printf: it is in no process's arguments. `user`: the machine gets an agent of whoever pastes it, without root.
 */
export function oneLiner(
  address: EnrollmentAddress,
  token: string,
  { user = false }: { user?: boolean } = {},
): string {
  const { origin, rootCertificate } = address;
  const setup = shellQuote(`${origin}/setup.sh`);
  const run = [
    'sh "$d/setup.sh" --token-stdin --server-url',
    shellQuote(origin),
    ...(rootCertificate === undefined ? [] : ['--ca-file "$d/ca.pem"']),
    ...(user ? ['--user'] : []),
  ].join(' ');
  const pem = rootCertificate?.trim().split('\n').map(shellQuote).join(' ');
  const [curlCa, wgetCa] =
    pem === undefined ? ['', ''] : [' --cacert "$d/ca.pem"', ' --ca-certificate="$d/ca.pem"'];
  const steps = [
    ...(pem === undefined ? [] : [`printf '%s\\n' ${pem} > "$d/ca.pem"`]),
    `if command -v curl >/dev/null 2>&1; then curl -fsS --proto '=https'${curlCa} -o "$d/setup.sh" ${setup}; ` +
      `else wget -q${wgetCa} -O "$d/setup.sh" ${setup}; fi`,
    `printf '%s\\n' ${shellQuote(token)} | ${user ? run : `if [ "$(id -u)" -eq 0 ]; then ${run}; else sudo ${run}; fi`}`,
  ];
  return `( d=$(mktemp -d) || exit 1; trap 'rm -rf "$d"' EXIT; trap 'exit 130' HUP INT TERM; ${steps.join(' && ')} )`;
}

/** The same by the installer of a checkout, which finds the CA by the token's pin. */
export const setupCommand = (address: EnrollmentAddress, token: string): string =>
  `printf '%s\\n' ${shellQuote(token)} | npx zx provision/setup.mts --token-stdin --server-url ${shellQuote(address.origin)}`;

/**
 * A program for `pulumi up`, and the command that hands it the user-data: encrypted in the stack, in no argument and no
 * file.
 */
export const pulumiProgram = (userData: string): string => `# In the folder of the program, once:
pulumi config set --secret userData <<'END_OF_USER_DATA'
${userData.trimEnd()}
END_OF_USER_DATA

// In the program; give it to the VM as its user-data, whatever the cloud:
import * as pulumi from '@pulumi/pulumi';
const userData = new pulumi.Config().requireSecret('userData');

// Programs that make a token of their own for each VM: AgentUserData of vm-agent/infra.
`;
