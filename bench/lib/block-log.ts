/**
 * Lines like those of a distributed file system, as many as one likes: few patterns, many identifiers. Their times are
 * written in a way that lnav reads too.
 */
const two = (value: number): string => String(value).padStart(2, '0');

export function* blockLog(count: number, seed = 7): Generator<string> {
  let state = seed;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * limit);
  };
  const address = () => `10.251.${below(256)}.${1 + below(254)}`;
  const block = () => `blk_${below(2) ? '-' : ''}${1e8 + below(9e8)}${1e8 + below(9e8)}`;
  const messages: readonly (() => string)[] = [
    () => `INFO dfs.DataNode$PacketResponder: PacketResponder ${below(3)} for block ${block()} terminating`,
    () =>
      `INFO dfs.FSNamesystem: BLOCK* NameSystem.addStoredBlock: blockMap updated: ${address()}:50010 is added to ${block()} size ${below(67108864)}`,
    () =>
      `INFO dfs.DataNode$DataXceiver: Receiving block ${block()} src: /${address()}:${30000 + below(30000)} dest: /${address()}:50010`,
    () => `INFO dfs.DataNode$PacketResponder: Received block ${block()} of size 67108864 from /${address()}`,
    () =>
      `INFO dfs.FSNamesystem: BLOCK* NameSystem.allocateBlock: /user/root/rand/_temporary/_task_2008_m_${below(2000)}_0/part-${below(2000)}. ${block()}`,
    () =>
      `INFO dfs.FSNamesystem: BLOCK* NameSystem.delete: ${block()} is added to invalidSet of ${address()}:50010`,
    () =>
      `INFO dfs.FSDataset: Deleting block ${block()} file /mnt/dfs/data/current/subdir${below(64)}/${block()}`,
    () =>
      `WARN dfs.DataNode$DataXceiver: ${address()}:50010:Got exception while serving ${block()} to /${address()}:`,
  ];
  let seconds = 0;
  for (let i = 0; i < count; i++) {
    seconds += below(2);
    const day = 1 + (Math.floor(seconds / 86_400) % 28);
    const clock = [3600, 60, 1]
      .map((unit) => two(Math.floor(seconds / unit) % (unit === 3600 ? 24 : 60)))
      .join(':');
    yield `2008-11-${two(day)} ${clock},${100 + below(900)} ${messages[below(messages.length)]?.()}`;
  }
}
