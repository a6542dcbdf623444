import { Duplex } from "node:stream"
import type { HolderConnection } from "./HolderConnection.ts"
import type { SessionTurns } from "./SessionTurns.ts"
import { WireSession } from "./WireSession.ts"
import { cancelCode } from "./wireMessages.ts"

/** What a stream leads to: an engine of this process, or the process that has it. */
export type Peer =
  | { readonly _tag: "Engine"; readonly turns: SessionTurns; readonly program: object }
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
    else if (this.holder !== undefined) this.holder.send(chunk, done)
    else if (chunk.length >= 8 && chunk.readUInt32BE(4) === cancelCode) {
      // Statements run to their end before anybody can ask to cancel them.
      this.push(null)
      done()
    } else {
      this.findPeer(this.gone.signal)
        .then((peer) => this.begin(peer, chunk))
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

  private async begin(peer: Peer, introduction: Buffer): Promise<void> {
    if (peer._tag === "Engine") {
      this.session = new WireSession({
        turns: peer.turns,
        program: peer.program,
        send: (bytes) => void this.push(bytes),
        end: () => undefined,
        lost: (error) => void this.destroy(error)
      })
      if (this.destroyed) this.leave()
      return this.session.receive(introduction)
    }
    this.holder = peer.connection
    if (this.destroyed) return this.leave()
    // The holder was introduced to when it was found.
    this.push(peer.connection.greeting)
    peer.connection.listen(
      (bytes) => void this.push(bytes),
      () => this.destroy()
    )
  }

  private leave(): void {
    this.gone.abort()
    this.session?.close()
    this.holder?.close()
  }
}
