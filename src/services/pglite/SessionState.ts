import { type Answer, type Batch, message, messageType, statementKind, textAt } from "./wireMessages.ts"

/** What one connection has left in the session. */
interface Traces {
  /** The names of its prepared statements. */
  readonly statements: Set<string>
  /** The channels that it listens to, or `everyChannel`. */
  readonly channels: Set<string>
}

const noTraces: Traces = { statements: new Set(), channels: new Set() }

/** A connection listens to every channel when it has sent a LISTEN whose channel cannot be read from the text. */
const everyChannel = "*"

const sync = message(messageType.sync)

/** What clients have left in a session that they share, learned from their messages and the answers. */
export class SessionState<Client> {
  private readonly traces = new Map<Client, Traces>()

  /** Every client that has sent a message and was not removed. */
  get clients(): Iterable<Client> {
    return this.traces.keys()
  }

  /** Records what a client's messages have changed. */
  record(client: Client, { bytes, messages }: Batch, { listened, unlistened }: Answer): void {
    let own = this.traces.get(client)
    if (own === undefined) this.traces.set(client, (own = { statements: new Set(), channels: new Set() }))
    for (const { body, type } of messages) {
      if (type === messageType.parse && bytes[body] !== 0) own.statements.add(textAt(bytes, body))
      if (type === messageType.close && bytes[body] === statementKind) own.statements.delete(textAt(bytes, body + 1))
    }
    if (!listened && !unlistened) return
    const statements = messages.flatMap(({ body, type }) => {
      if (type === messageType.query) return textAt(bytes, body)
      return type === messageType.parse ? textAt(bytes, bytes.indexOf(0, body) + 1) : []
    })
    let isRecognized = false
    for (const statement of statements) {
      const [, un, quoted, plain] = listenStatement.exec(statement) ?? []
      const channel = quoted?.replaceAll('""', '"') ?? plain?.toLowerCase()
      if (channel === undefined) continue
      isRecognized = true
      if (un === undefined || un === "") own.channels.add(channel)
      else if (channel === everyChannel) own.channels.clear()
      else own.channels.delete(channel)
    }
    // Too many notifications do no harm: a client ignores those of other channels.
    if (listened && !isRecognized) own.channels.add(everyChannel)
  }

  /** Forgets a client, and returns the messages that remove what it has left in the session. */
  remove(client: Client): ReadonlyArray<Buffer> {
    const { channels, statements } = this.traces.get(client) ?? noTraces
    this.traces.delete(client)
    return [
      ...(statements.size === 0
        ? []
        : [...[...statements].map((name) => message(messageType.close, `S${name}`)), sync]),
      ...(channels.size === 0 ? [] : [this.listenAgain()])
    ]
  }

  /** The clients that listen to a channel. */
  listenersTo(channel: string): ReadonlyArray<Client> {
    return [...this.traces].flatMap(([client, { channels }]) =>
      channels.has(channel) || channels.has(everyChannel) ? [client] : []
    )
  }

  /**
   * The message that makes the session listen to the channels of all clients, and to no other channel that is known.
   */
  listenAgain(): Buffer {
    const channels = new Set([...this.traces.values()].flatMap((each) => [...each.channels]))
    const areKnown = !channels.delete(everyChannel)
    const listen = [...channels].map((channel) => `LISTEN "${channel.replaceAll('"', '""')}"`)
    return message(messageType.query, [...(areKnown ? ["UNLISTEN *"] : []), ...listen].join("; "))
  }
}

const listenStatement = /^\s*(UN)?LISTEN\s+(?:"((?:[^"]|"")+)"|([\p{L}_][\p{L}\d_$]*|\*))\s*;?\s*$/iu
