import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import type { Random } from "../../support/random.ts"

/** Where the proxy cuts a connection. */
export type Cut =
  /** Before the server receives anything of a request. */
  | "before the request"
  /** After the server received the first half of the data. */
  | "within the request"
  /** After the server received a request, before its response. */
  | "before the answer"
  /** After the client received half of a response. */
  | "within the answer"
  /** After the server committed, before the client receives the confirmation. */
  | "before the answer to COMMIT"

/** A proxy between clients and a server that cuts connections. */
export interface Proxy {
  readonly port: number
  /** The number of connections that the proxy cut in each way. */
  readonly cuts: () => ReadonlyMap<Cut, number>
  /** Cuts at random in all ways from now on. */
  readonly begin: () => void
  /** Drops the confirmation of every commit from now on, and cuts nothing else. */
  readonly hideCommits: () => void
  /** Cuts nothing from now on. */
  readonly end: () => void
  /**
   * Drops every byte of the open connections in both directions, and does not pass on when one side closes them. New
   * connections work.
   */
  readonly swallow: () => void
  /** Does the same to the next connection on which the server confirms a COMMIT, from that confirmation on. */
  readonly swallowNextCommit: () => void
  readonly close: () => Promise<void>
}

/** How Postgres confirms a commit. */
const committed = Buffer.from("COMMIT\0")

/** The proxy cuts one of this many chunks in a direction, and drops the confirmation of one of this many commits. */
const oneRequestIn = 120
const oneAnswerIn = 120
const oneCommitIn = 12

/** Starts a proxy to a port of this machine. */
export const startProxy = async (target: number, random: Random): Promise<Proxy> => {
  const sockets = new Set<Socket>()
  const cuts = new Map<Cut, number>()
  let cutting = false
  let hiding = false
  let swallowing = false
  const links = new Set<{ isSwallowed: boolean }>()

  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1")
    const both = [client, upstream]
    const link = { isSwallowed: false }
    links.add(link)
    for (const socket of both) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on("error", () => undefined)
      socket.on("close", () => {
        sockets.delete(socket)
        if (link.isSwallowed) return
        links.delete(link)
        for (const each of both) each.destroy()
      })
    }
    const cut = (where: Cut): void => {
      cuts.set(where, (cuts.get(where) ?? 0) + 1)
      client.resetAndDestroy()
    }
    let deaf = false

    client.on("data", (chunk) => {
      if (link.isSwallowed) return
      if (!cutting || random.below(oneRequestIn) > 0) {
        upstream.write(chunk)
        return
      }
      const where = random.pick(["before the request", "within the request", "before the answer"] as const)
      if (where === "before the request") cut(where)
      else if (where === "within the request") upstream.write(chunk.subarray(0, chunk.length >> 1), () => cut(where))
      else {
        // Cut when the server responds, so it has carried out the request.
        deaf = true
        upstream.write(chunk)
      }
    })
    upstream.on("data", (chunk) => {
      if (swallowing && chunk.includes(committed)) {
        swallowing = false
        link.isSwallowed = true
      }
      if (link.isSwallowed) return
      if (deaf) return cut("before the answer")
      if (chunk.includes(committed) && (hiding || (cutting && random.below(oneCommitIn) === 0))) {
        return cut("before the answer to COMMIT")
      }
      if (cutting && random.below(oneAnswerIn) === 0) {
        client.write(chunk.subarray(0, chunk.length >> 1), () => cut("within the answer"))
        return
      }
      client.write(chunk)
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the proxy has no port")
  return {
    port: address.port,
    cuts: () => cuts,
    begin: () => {
      cutting = true
    },
    hideCommits: () => {
      hiding = true
    },
    end: () => {
      cutting = false
      hiding = false
    },
    swallow: () => {
      for (const link of links) link.isSwallowed = true
    },
    swallowNextCommit: () => {
      swallowing = true
    },
    close: async () => {
      const closed = once(server, "close")
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    }
  }
}
