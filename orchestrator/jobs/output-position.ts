/**
 * Where the next bytes of one stream belong. `received`: taken so far, on disk or on its way there; `kept`: how many
 * of them count, at most up to the command's cap.
 */
export interface StreamPosition {
  received: number;
  kept: number;
}

export type Placement =
  /** Keep `take` bytes of the payload from `skip` on, at `at`. */
  | { kind: 'keep'; skip: number; take: number; at: number }
  /** Nothing new in it, or nothing that is kept any more. */
  | { kind: 'drop' }
  /** Bytes before it are missing: the sender must go back. */
  | { kind: 'gap' };

/**
 * Decides about a piece of output. `room` is how many bytes the command may still add; past its cap pieces are
 * taken and dropped, and gaps do not matter any more.
 */
export function place(
  position: StreamPosition,
  piece: { offset: number; length: number },
  room: number,
): Placement {
  const end = piece.offset + piece.length;
  if (end <= position.received) return { kind: 'drop' };
  if (piece.offset > position.received) return room <= 0 ? { kind: 'drop' } : { kind: 'gap' };
  const skip = position.received - piece.offset;
  const take = Math.min(piece.length - skip, Math.max(room, 0));
  return take === 0 ? { kind: 'drop' } : { kind: 'keep', skip, take, at: position.kept };
}
