import { describe, expect, it } from 'vitest';
import { drawVmId, parseVmId } from '../../../../agent/identity/vm-id.ts';

describe('a vm_id', () => {
  it('is made of the host name and six random digits', () => {
    expect(drawVmId('Web_1.example.com', () => '0a1b2c')).toBe('vm-web-1-0a1b2c');
    expect(drawVmId('***', () => '0a1b2c')).toBe('vm-host-0a1b2c');
    expect(drawVmId('web')).not.toBe(drawVmId('web'));
  });

  it('is read from its file, and nothing else is', () => {
    expect(parseVmId('vm-web-1-0a1b2c\n')).toBe('vm-web-1-0a1b2c');
    expect(parseVmId('vm-web-1')).toBeUndefined();
    expect(parseVmId('')).toBeUndefined();
  });
});
