import { describe, expect, it } from 'vitest';
import { createSpeed, keptUpload } from '../../../../orchestrator/dashboard/model/upload-plan.ts';

describe('an upload that an earlier tab began', () => {
  const file = { name: 'a', size: 3, lastModified: 7 };
  const kept = JSON.stringify({ uploadId: 'ab', name: 'a', size: 3, modified: 7 });

  it('goes on with the same file and no other', () => {
    expect(keptUpload(kept, file)?.uploadId).toBe('ab');
    expect(keptUpload(kept, { ...file, size: 4 })).toBeUndefined();
    expect(keptUpload(kept, { ...file, lastModified: 8 })).toBeUndefined();
    expect(keptUpload('{', file)).toBeUndefined();
    expect(keptUpload(null, file)).toBeUndefined();
  });

  it('is as fast as it was in the last seconds', () => {
    const speed = createSpeed();
    expect(speed(0, 0)).toBeUndefined();
    expect(speed(1000, 1000)).toBe(1000);
    expect(speed(9000, 7000)).toBeUndefined();
    expect(speed(19_000, 8000)).toBe(10_000);
  });
});
