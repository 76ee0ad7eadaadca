/**
 * Sequenced delivery over a link that breaks: each end numbers its frames, keeps them until the peer says that
 * they are durable, drops what it has seen, and sends the rest again after a resume. Pure state, no I/O; both
 * ends and the long-poll fallback use the same.
 *
 * Invariants: `recvSeq` only grows within a session; a frame is handed on at most once; `unacked` is in seq order.
 */
export interface Sequenced {
  seq: number;
}

export class SessionLink<Out extends Sequenced> {
  #sendSeq = 0;
  #recvSeq = 0;
  #durableSeq = 0;
  #unacked: Out[] = [];

  /** Highest seq that was handed on; frames up to it are duplicates. */
  get recvSeq(): number {
    return this.#recvSeq;
  }
  /** Highest peer seq that is durable here: what an `ack` carries. */
  get durableSeq(): number {
    return this.#durableSeq;
  }
  get unacked(): readonly Out[] {
    return this.#unacked;
  }

  /** Numbers a frame and keeps it until it is acknowledged. */
  push(body: Omit<Out, 'seq'>): Out {
    const frame = { ...body, seq: ++this.#sendSeq } as Out;
    this.#unacked.push(frame);
    return frame;
  }

  /** `deliver`: hand it on; `duplicate`: seen before, drop; `gap`: the peer lost something, so the link must be closed. */
  receive(seq: number): 'deliver' | 'duplicate' | 'gap' {
    if (seq <= this.#recvSeq) return 'duplicate';
    if (seq !== this.#recvSeq + 1) return 'gap';
    this.#recvSeq = seq;
    return 'deliver';
  }

  /** Everything up to `seq` is durable here. */
  markDurable(seq: number): void {
    if (seq > this.#durableSeq && seq <= this.#recvSeq) this.#durableSeq = seq;
  }

  /** The peer has everything up to `seq`; returns the frames that this frees. */
  acknowledged(seq: number): Out[] {
    const kept = this.#unacked.findIndex((frame) => frame.seq > seq);
    const freed = kept === -1 ? this.#unacked : this.#unacked.slice(0, kept);
    this.#unacked = kept === -1 ? [] : this.#unacked.slice(kept);
    return freed;
  }

  /**
   * A new connection resumes this session. The peer has handed on everything up to `peerRecvSeq`; what follows is
   * to be sent again. Frames that were received but not yet durable stay received: the peer keeps them too.
   */
  resume(peerRecvSeq: number): readonly Out[] {
    return this.#unacked.filter((frame) => frame.seq > peerRecvSeq);
  }

  /** A session that the peer does not know: numbers begin anew. Returns what was not acknowledged. */
  reset(): Out[] {
    const left = this.#unacked;
    this.#sendSeq = 0;
    this.#recvSeq = 0;
    this.#durableSeq = 0;
    this.#unacked = [];
    return left;
  }
}
