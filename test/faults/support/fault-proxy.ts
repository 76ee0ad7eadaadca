import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket, connect as tcpConnect } from 'node:net';
import { systemClock } from '../../../base/clock.ts';

/** `up`: from who connects to whom it wants; `down`: back. */
export type Direction = 'up' | 'down';

/** What becomes of bytes in one direction. */
export type Treatment =
  | { kind: 'pass' }
  /** Read and thrown away. A stream that lost bytes stays so: it is silent in this direction until it ends. */
  | { kind: 'drop' }
  /** Not read: the sender's window fills. What waits comes when it passes again, as after lost packets. */
  | { kind: 'freeze' }
  | { kind: 'delay'; ms: number }
  | { kind: 'throttle'; bytesPerSecond: number };

const PASS: Treatment = { kind: 'pass' };
const ROUND_MS = 20;

/** One direction of one connection. The order of bytes is kept, whatever happens to them. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  #treatment: Treatment = PASS;
  #broken = false;
  get broken(): boolean {
    return this.#broken;
  }
  /** What is on its way; each piece waits for the one before it. */
  #last: Promise<void> = Promise.resolve();

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on('data', (bytes) => this.#take(bytes));
    from.on('end', () => {
      // Who lost bytes hears no goodbye either.
      if (!this.#broken) this.#then(async () => void this.#to.end());
    });
  }

  treat(treatment: Treatment): void {
    this.#treatment = treatment;
    if (treatment.kind === 'drop') this.#broken = true;
    if (treatment.kind === 'freeze') this.#from.pause();
    else this.#from.resume();
  }

  /** Nothing comes through any more, not even the end. */
  vanish(): void {
    this.#broken = true;
    this.#from.resume();
  }

  #take(bytes: Buffer): void {
    if (this.#broken) return;
    const came = systemClock.monotonic();
    const treatment = this.#treatment;
    this.#then(async () => {
      if (treatment.kind === 'delay') {
        const left = came + treatment.ms - systemClock.monotonic();
        if (left > 0) await systemClock.sleep(left);
      }
      await this.#trickle(bytes);
    });
  }

  /** As fast as is allowed at the time: what waits when the link is whole again goes at once. */
  async #trickle(bytes: Buffer): Promise<void> {
    let left = bytes;
    while (left.length > 0 && this.#treatment.kind === 'throttle') {
      const piece = Math.max(1, Math.round((this.#treatment.bytesPerSecond * ROUND_MS) / 1000));
      await this.#write(left.subarray(0, piece));
      left = left.subarray(piece);
      await systemClock.sleep(ROUND_MS);
    }
    await this.#write(left);
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#broken || !this.#to.writable) return;
    if (this.#to.write(bytes)) return;
    this.#from.pause();
    await Promise.race([once(this.#to, 'drain'), once(this.#to, 'close')]).catch(() => undefined);
    if (this.#treatment.kind !== 'freeze') this.#from.resume();
  }

  #then(work: () => Promise<void>): void {
    this.#last = this.#last.then(work, work);
  }
}

interface Pair {
  client: Socket;
  server: Socket;
  pipes: Record<Direction, Pipe>;
}

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that stand. */
  readonly open: number;
  /** Connections that were ever asked for. */
  readonly attempts: number;
  /** From now on, on what stands and what comes. */
  treat(direction: Direction | 'both', treatment: Treatment): void;
  /** Everything passes again; a connection that lost bytes stays silent. */
  heal(): void;
  /** Ends every connection by a reset, in the middle of what it carries. */
  reset(): void;
  /** As {@link reset}, and the next connection is refused as well: what an outage looks like, and no cut of only what stands. */
  outage(): void;
  /** The far end disappears without a goodbye: whoever is connected hears nothing more, and the far end is told at once. */
  vanish(): void;
  /** What stands is swallowed both ways; new connections are taken and go nowhere. Nobody is told. */
  blackhole(on: boolean): void;
}

/** A TCP proxy whose every direction can be broken. */
export async function startFaultProxy(target: { port: () => number }): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  const held = new Set<Socket>();
  const treatments: Record<Direction, Treatment> = { up: PASS, down: PASS };
  let isBlackhole = false;
  let isOutage = false;
  let attempts = 0;

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    attempts += 1;
    client.on('error', () => undefined);
    if (isOutage) {
      isOutage = false;
      return void client.resetAndDestroy();
    }
    held.add(client);
    client.on('close', () => held.delete(client));
    client.on('end', () => isBlackhole && client.destroy());
    if (isBlackhole) return void client.resume();
    const far = tcpConnect({ host: '127.0.0.1', port: target.port(), allowHalfOpen: true, noDelay: true });
    held.add(far);
    const pair: Pair = {
      client,
      server: far,
      pipes: { up: new Pipe(client, far), down: new Pipe(far, client) },
    };
    pairs.add(pair);
    for (const direction of ['up', 'down'] as const)
      if (treatments[direction].kind !== 'pass') pair.pipes[direction].treat(treatments[direction]);
    far.on('error', () => {
      // A reset reaches the other side as what it is.
      if (pairs.has(pair) && !pair.pipes.down.broken) client.resetAndDestroy();
    });
    far.on('close', () => held.delete(far));
    for (const [one, other] of [
      [client, far],
      [far, client],
    ] as const)
      one.on('close', () => {
        pairs.delete(pair);
        // Behind a direction that loses everything nobody learns that the other end has gone.
        const { broken } = one === client ? pair.pipes.up : pair.pipes.down;
        if (!broken) setImmediate(() => other.destroySoon());
      });
    client.on('end', () => pair.pipes.up.broken && client.destroy());
    far.on('end', () => pair.pipes.down.broken && far.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');

  const directions = (which: Direction | 'both'): Direction[] =>
    which === 'both' ? ['up', 'down'] : [which];
  const proxy: FaultProxy = {
    port: (server.address() as AddressInfo).port,
    get open() {
      return pairs.size;
    },
    get attempts() {
      return attempts;
    },
    treat(which, treatment) {
      for (const direction of directions(which)) {
        treatments[direction] = treatment;
        for (const { pipes } of pairs) pipes[direction].treat(treatment);
      }
    },
    heal() {
      isBlackhole = false;
      proxy.treat('both', PASS);
    },
    reset() {
      for (const pair of [...pairs]) {
        pairs.delete(pair);
        pair.client.resetAndDestroy();
        pair.server.resetAndDestroy();
      }
    },
    outage() {
      isOutage = true;
      proxy.reset();
    },
    vanish() {
      for (const pair of [...pairs]) {
        pairs.delete(pair);
        pair.pipes.up.vanish();
        pair.pipes.down.vanish();
        pair.server.resetAndDestroy();
      }
    },
    blackhole(on) {
      isBlackhole = on;
      if (on) for (const { pipes } of pairs) for (const pipe of [pipes.up, pipes.down]) pipe.vanish();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of held) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}
