import type { Schema } from "effect"
import { ErasablePart, Event } from "../../src/domain/Event.ts"
import { type EncodedEvent, upcasters } from "../../src/events/EventCodec.ts"
import { RecordedEvent } from "../../src/events/RecordedEvent.ts"
import { StoredEvent } from "../../src/events/StoredEvent.ts"
import { code, codes, escapeText, linkTo, type Page, pageHead, paragraphs, sentence, table } from "./markdown.ts"
import { constantsOf, filesIn, paragraphsOf, parseFile, propertyDocs, readFile, visit } from "./sourceDocs.ts"
import { membersOf, typeText } from "./typeText.ts"

const eventsPath = "src/domain/Event.ts"
const codecPath = "src/events/EventCodec.ts"
const goldenFolder = "test/events/golden"

/** The golden files of an event type, from schema version 1, with their texts. */
const goldenEvents = (type: string): ReadonlyArray<EncodedEvent & { readonly text: string }> =>
  filesIn(goldenFolder)
    .filter((name) => name.startsWith(`${type}.v`))
    .map((name) => {
      const text = readFile(`${goldenFolder}/${name}`)
      return { ...(JSON.parse(text) as EncodedEvent), text }
    })
    .sort((left, right) => left.schemaVersion - right.schemaVersion)

/** The comments of the upcasters: why a type has a new schema version. */
const versionReasons = (): ReadonlyMap<string, string> => {
  const upcastersConstant = constantsOf(codecPath).find(({ name }) => name === "upcasters")
  const file = parseFile(codecPath)
  const reasons = new Map<string, string>()
  visit(file, {
    Property: (node) => {
      if (
        upcastersConstant === undefined ||
        node.start < upcastersConstant.init.start ||
        node.end > upcastersConstant.init.end
      )
        return
      const comment = node.key.type === "Identifier" ? file.commentBefore(node.start) : undefined
      if (comment !== undefined && node.key.type === "Identifier") reasons.set(node.key.name, comment)
    }
  })
  return reasons
}

const erasable: ReadonlySet<string> = new Set(ErasablePart.literals)

/** docs/events.md: the envelope and the payloads of events. */
export const eventsPage = (): Page => {
  const reasons = versionReasons()
  return {
    page: "docs/events.md",
    text: paragraphs(
      pageHead(
        "Events",
        "This page lists every event type with every schema version of its payload. Released shapes never change; [evolution.md](evolution.md) explains how new ones are added. [auditing.md](auditing.md) explains how to read events."
      ).trimEnd(),
      table(
        ["type", "schema versions", "meaning"],
        Event.members.map((member) => {
          const type = typeOf(member)
          return [linkTo(type), String(upcasters[type].length + 1), escapeText(meaningOf(type))]
        })
      ),
      "## Envelope",
      "`history`, `events`, `consume` and the stream `/events` return events in this form. Times are ISO 8601 in UTC.",
      fieldTable(RecordedEvent, "src/events/RecordedEvent.ts", "RecordedEvent"),
      "A line of an exported log is an event in its stored form. It has `commitments` instead of `redacted`:",
      fieldTable(StoredEvent, "src/events/StoredEvent.ts", "StoredEvent", ["commitments"]),
      `A redaction can erase the fields ${codes(ErasablePart.literals)} of \`data\`. An erased field is missing from \`data\` and listed in \`redacted\`; a decoded event has the text \`[redacted]\` in its place. Fields that are \`null\` have no commitment.`,
      "## Schema versions",
      "A program writes an event at the oldest schema version that can say the same, so that older programs can read it. It reads every released version, and fails with [`UndecodableEvent`](errors.md#undecodableevent) for a newer one.",
      ...Event.members.map((member) => eventSection(member, reasons))
    )
  }
}

type EventSchema = (typeof Event.members)[number]

const typeOf = (member: EventSchema): Event["_tag"] => member.fields._tag.schema.literal

const meaningOf = (type: string): string => {
  const doc = constantsOf(eventsPath).find(({ name }) => name === type)?.doc
  if (doc === undefined) throw new Error(`${type} in ${eventsPath} has no docstring.`)
  return paragraphsOf(doc).join(" ")
}

const docsOf = (path: string, name: string): ReadonlyMap<string, string> => {
  const constant = constantsOf(path).find((each) => each.name === name)
  if (constant === undefined) throw new Error(`${path} has no constant ${name}.`)
  return propertyDocs(path, constant.init)
}

const fieldTable = (schema: Schema.Top, path: string, name: string, only?: ReadonlyArray<string>): string => {
  const docs = docsOf(path, name)
  return table(
    ["field", "type", "meaning"],
    membersOf(schema)
      .filter((member) => only === undefined || only.includes(member.name))
      .map((member) => {
        const doc = docs.get(member.name)
        if (doc === undefined) throw new Error(`${member.name} of ${name} in ${path} has no docstring.`)
        return [
          code(member.name),
          typeText(member.schema, member.name),
          sentence(escapeText(paragraphsOf(doc).join(" ")))
        ]
      })
  )
}

const eventSection = (member: EventSchema, reasons: ReadonlyMap<string, string>): string => {
  const type = typeOf(member)
  const versions = goldenEvents(type)
  const newest = upcasters[type].length + 1
  if (versions.length !== newest)
    throw new Error(`${type} has ${newest} schema versions and ${versions.length} golden files.`)
  const docs = docsOf(eventsPath, type)
  const sinceOf = (field: string): number => {
    const since = versions.find(({ data }) => Object.hasOwn(data, field))?.schemaVersion
    if (since === undefined) throw new Error(`No golden file of ${type} contains ${field}.`)
    return since
  }
  return paragraphs(
    `## ${type}`,
    escapeText(meaningOf(type)),
    table(
      ["field", "type", "present", "since version", "erasable", "meaning"],
      membersOf(member).map(({ name, required, schema }) => [
        code(name),
        typeText(schema, name),
        required ? "always" : "if it changed",
        String(sinceOf(name)),
        erasable.has(name) ? "yes" : "no",
        escapeText(sentence(docs.get(name) ?? defaultMeaning(name)))
      ])
    ),
    newest > 1 ? escapeText(reasons.get(type) ?? "") : undefined,
    ...versions.flatMap((event) => [`Version ${event.schemaVersion}:`, `\`\`\`json\n${event.text.trimEnd()}\n\`\`\``])
  ).trimEnd()
}

/** The meaning of fields that several events share. */
const sharedMeanings: Readonly<Record<string, string>> = {
  title: "The title of the card",
  body: "The body of the card",
  phase: "The phase of the card",
  priority: "The priority of the card",
  acceptance: "The criteria for acceptance",
  labels: "The labels of the card",
  text: "The text of the note",
  owner: "The owner of the claim",
  token: "The token of the claim",
  ttlSeconds: "The length of the lease, in seconds",
  why: "Why the claim was ended",
  reason: "The reason, as its author wrote it",
  dependsOn: "The card on which it depends",
  result: "The result of the work"
}

const defaultMeaning = (name: string): string => {
  const meaning = sharedMeanings[name]
  if (meaning === undefined) throw new Error(`The field ${name} of an event has no docstring in ${eventsPath}.`)
  return meaning
}
