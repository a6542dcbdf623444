import { Duplex } from "node:stream"
import { type HolderConnection, startupMessage } from "./HolderConnection.ts"
import type { TransactionPooler } from "./TransactionPooler.ts"
import { WireSession } from "./WireSession.ts"
import { cancelRequestCode, message, messageType } from "./wireMessages.ts"

const sync = message(messageType.sync)

/** What a stream leads to: an engine of this process, or the process that has it. */
export type Peer =
  | { readonly _tag: "Engine"; readonly pooler: TransactionPooler; readonly program: object }
  | { readonly _tag: "Holder"; readonly connection: HolderConnection }

/**
 * A client's connection: bytes of the wire protocol in, an engine's answers out. What it leads to is found when the
 * client introduces itself.
 */
export class SessionStream extends Duplex {
  private readonly findPeer: (signal: AbortSignal) => Promise<Peer>
  private readonly gone = new AbortController()
  private session: WireSession | undefined
  private holder: HolderConnection | undefined

  constructor(find: (signal: AbortSignal) => Promise<Peer>) {
    super()
    this.findPeer = find
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.session !== undefined) this.session.receive(chunk).then(() => done(), done)
    else if (this.holder?.isOver === true && chunk[0] !== messageType.terminate)
      this.moveOn(this.holder, chunk).then(() => done(), done)
    else if (this.holder !== undefined) this.holder.send(chunk, done)
    else if (chunk.length >= 8 && chunk.readUInt32BE(4) === cancelRequestCode) {
      // Statements run to their end before anybody can ask to cancel them.
      this.push(null)
      done()
    } else {
      this.findPeer(this.gone.signal)
        .then((peer) => this.begin(peer))
        .then(() => done(), done)
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    this.leave()
    this.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.leave()
    done(error)
  }

  /** The first message of the client says what every client says, so it is said here. */
  private async begin(peer: Peer, prepared?: ReadonlyMap<string, Buffer>): Promise<void> {
    if (peer._tag === "Engine") {
      let isHeard = prepared === undefined
      const session = new WireSession({
        pooler: peer.pooler,
        program: peer.program,
        send: (bytes) => {
          if (isHeard) this.push(bytes)
        },
        end: () => undefined,
        onEngineFailure: (error) => void this.destroy(error)
      })
      this.session = session
      if (this.destroyed) return this.leave()
      await session.receive(startupMessage)
      for (const parse of prepared?.values() ?? []) await session.receive(Buffer.concat([parse, sync]))
      isHeard = true
      return
    }
    const { connection } = peer
    this.holder = connection
    if (this.destroyed) return this.leave()
    if (prepared === undefined) this.push(connection.greeting)
    connection.listen(
      (bytes) => void this.push(bytes),
      () => {
        if (this.holder === connection) this.destroy()
      }
    )
    if (prepared !== undefined) await connection.prepare(prepared)
  }

  /** The holder is about to end, and the client goes on: with the next holder, of which it sees nothing. */
  private async moveOn(from: HolderConnection, chunk: Buffer): Promise<void> {
    this.holder = undefined
    from.close()
    await this.begin(await this.findPeer(this.gone.signal), from.prepared)
    await new Promise<void>((resolve, reject) => {
      this._write(chunk, "binary", (error) => (error == null ? resolve() : reject(error)))
    })
  }

  private leave(): void {
    this.gone.abort()
    this.session?.close()
    this.holder?.close()
  }
}
