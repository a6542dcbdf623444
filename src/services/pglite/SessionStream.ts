import { Duplex } from "node:stream"
import type { HolderConnection } from "./HolderConnection.ts"
import type { TransactionPooler } from "./TransactionPooler.ts"
import { cancelRequestCode, message, messageType, startupMessage } from "./wireMessages.ts"
import { WireSession } from "./WireSession.ts"

const sync = message(messageType.sync)

/** The peer of a stream: an engine of this process, or the process that holds the directory. */
export type Peer =
  | { readonly _tag: "Engine"; readonly pooler: TransactionPooler; readonly program: object }
  | { readonly _tag: "Holder"; readonly connection: HolderConnection }

/**
 * A client's connection: it writes messages of the wire protocol, and reads the responses of its peer. The peer is
 * looked up when the client sends its first message, and again when the holder shuts down.
 */
export class SessionStream extends Duplex {
  private readonly findPeer: (signal: AbortSignal) => Promise<Peer>
  private readonly ended = new AbortController()
  private session: WireSession | undefined
  private holder: HolderConnection | undefined

  constructor(findPeer: (signal: AbortSignal) => Promise<Peer>) {
    super()
    this.findPeer = findPeer
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.session !== undefined) this.session.receive(chunk).then(() => done(), done)
    else if (this.holder?.isDrained === true && chunk[0] !== messageType.terminate)
      this.reconnect(this.holder, chunk).then(() => done(), done)
    else if (this.holder !== undefined) this.holder.send(chunk, done)
    else if (chunk.length >= 8 && chunk.readUInt32BE(4) === cancelRequestCode) {
      // The engine completes each statement before it reads the next message, so it cannot cancel one.
      this.push(null)
      done()
    } else {
      this.findPeer(this.ended.signal)
        .then((peer) => this.start(peer))
        .then(() => done(), done)
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    this.disconnect()
    this.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.disconnect()
    done(error)
  }

  /**
   * Starts a session with a peer. Every client sends the same startup message, so the client's own is not forwarded.
   */
  private async start(peer: Peer, prepared?: ReadonlyMap<string, Buffer>): Promise<void> {
    if (peer._tag === "Engine") {
      let isForwarding = prepared === undefined
      const session = new WireSession({
        pooler: peer.pooler,
        program: peer.program,
        send: (bytes) => {
          if (isForwarding) this.push(bytes)
        },
        end: () => undefined,
        onEngineFailure: (error) => void this.destroy(error)
      })
      this.session = session
      if (this.destroyed) return this.disconnect()
      await session.receive(startupMessage)
      for (const parse of prepared?.values() ?? []) await session.receive(Buffer.concat([parse, sync]))
      isForwarding = true
      return
    }
    const { connection } = peer
    this.holder = connection
    if (this.destroyed) return this.disconnect()
    if (prepared === undefined) this.push(connection.greeting)
    connection.listen(
      (bytes) => void this.push(bytes),
      () => {
        if (this.holder === connection) this.destroy()
      }
    )
    if (prepared !== undefined) await connection.prepare(prepared)
  }

  /** Continues with the next holder when this one shuts down. The client does not see the change. */
  private async reconnect(from: HolderConnection, chunk: Buffer): Promise<void> {
    this.holder = undefined
    from.close()
    await this.start(await this.findPeer(this.ended.signal), from.prepared)
    await new Promise<void>((resolve, reject) => {
      this._write(chunk, "binary", (error) => (error == null ? resolve() : reject(error)))
    })
  }

  private disconnect(): void {
    this.ended.abort()
    this.session?.close()
    this.holder?.close()
  }
}
