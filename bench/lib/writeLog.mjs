/** Writes an exported log of a backlog's life: node writeLog.mjs FILE BUILD CARDS EVENTS */
import { open, rename } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { lifeOf } from "./life.mjs"
import { Random } from "./random.mjs"

const [file, build, cards, events] = process.argv.slice(2)
const { chainHash, commitmentHash, contentHash, emptyChainHash, erasableFields } = await import(
  pathToFileURL(join(build, "events/ContentHash.js")).href
)
const { formatHeader } = await import(pathToFileURL(join(build, "events/LogFile.js")).href)

/** Commitments as in the log, but with salts that are the same every time. */
const salts = new Random(Number(cards) + 1)
const createCommitments = (data) => {
  const commitments = {}
  for (const [field, value] of Object.entries(data)) {
    if (value === null || !erasableFields.has(field)) continue
    const salt = salts.hex(16)
    commitments[field] = { salt, sha256: commitmentHash(salt, value) }
  }
  return commitments
}

const charactersAtOnce = 1 << 20

const unfinished = `${file}.part`
const handle = await open(unfinished, "w")
// The first line contains the end of the log. Until that is known, a line of the same length takes its place.
const header = (hash) => `${formatHeader({ position: Number(events), chainHash: hash })}\n`
await handle.write(header(emptyChainHash))
let chain = Buffer.from(emptyChainHash, "hex")
let position = 0
let text = ""
for (const { actor, at, cardId, correlationId, data, type, version } of lifeOf({
  cards: Number(cards),
  events: Number(events)
})) {
  const time = new Date(at).toISOString()
  const commitments = createCommitments(data)
  const content = {
    cardId,
    version,
    type,
    schemaVersion: 1,
    data,
    actor,
    correlationId,
    causationId: null,
    commandId: null,
    occurredAt: time,
    recordedAt: time
  }
  const hash = contentHash(content, commitments)
  chain = chainHash(chain, Buffer.from(hash, "hex"))
  text += `${JSON.stringify({ position: ++position, ...content, commitments, contentHash: hash, chainHash: Buffer.from(chain).toString("hex") })}\n`
  if (text.length >= charactersAtOnce) {
    await handle.write(text)
    text = ""
  }
}
await handle.write(text)
await handle.write(header(Buffer.from(chain).toString("hex")), 0)
await handle.close()
await rename(unfinished, file)
