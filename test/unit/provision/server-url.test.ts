import { describe, expect, it } from 'vitest';
import { parseServerUrl } from '../../../provision/server-url.ts';

describe('the address of the orchestrator', () => {
  it('keeps host and port alone', () => {
    expect(parseServerUrl('https://o.example:8443/some/path?x=1').href).toBe('https://o.example:8443/');
  });

  it('is refused without https, and the hint shows the right one', () => {
    expect(() => parseServerUrl('http://o.example:8443')).toThrow(
      expect.objectContaining({
        code: 'url_scheme',
        hint: expect.stringContaining('https://o.example:8443'),
      }),
    );
  });

  it('is refused with a password in it, which the text does not repeat', () => {
    expect(() => parseServerUrl('https://me:hunter2@o.example')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    );
  });

  it('is refused when it is no address', () => {
    expect(() => parseServerUrl('orchestrator')).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });
});
