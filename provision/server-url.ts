import { AppError } from '../protocol/errors.ts';

/**
 * The orchestrator's address without a path, as everything is built from it.
 * @throws AppError `url_scheme`, or `bad_request` for what is no address.
 */
export function parseServerUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new AppError('bad_request', {
      detail: `"${text}" is not an address.`,
      hint: 'Give it like --server-url https://orchestrator.example.com:8443',
      cause,
    });
  }
  if (url.protocol !== 'https:') {
    throw new AppError('url_scheme', {
      detail: `The orchestrator's address must begin with https://, not with ${url.protocol}//. Nothing was sent.`,
      hint: `Try --server-url https://${url.host || '<host>:<port>'}`,
    });
  }
  if (url.username !== '' || url.password !== '') {
    throw new AppError('bad_request', {
      detail: 'The orchestrator’s address must not hold a user name or password.',
      hint: `Use --server-url ${url.origin}`,
    });
  }
  return new URL(url.origin);
}
