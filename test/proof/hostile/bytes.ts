import type { Random } from "../../support/random.ts"
import { jsonOf } from "./data.ts"
import { mutate } from "./mutate.ts"
import { json, names, nested } from "./values.ts"

const pieces = [
  "\u0000",
  "\ufeff",
  "\r",
  "\n",
  "\u2028",
  "{",
  "}",
  '"',
  "\\u0000",
  "\\ud800",
  ",",
  "null",
  "1e400",
  "-0",
  "12345678901234567890",
  '"__proto__":{"polluted":true},',
  "[".repeat(10_000),
  "9".repeat(400),
  "0".repeat(100_000)
]

const changedField = (line: string, random: Random): string => {
  const parsed: unknown = JSON.parse(line)
  return random.below(4) === 0
    ? JSON.stringify({ ...(parsed as object), [random.pick([...names, "title", "data"])]: json(random) })
    : jsonOf(mutate(parsed, random).input)
}

const changedLines = (lines: ReadonlyArray<string>, random: Random): ReadonlyArray<string> => {
  const at = random.below(lines.length)
  const line = lines[at] ?? ""
  switch (random.below(7)) {
    case 0:
      return lines.toSpliced(at, 1)
    case 1:
      return lines.toSpliced(at, 0, line)
    case 2:
      return lines.toSpliced(at, 1).toSpliced(random.below(lines.length), 0, line)
    case 3:
      return lines.slice(0, at)
    case 4:
      return lines.with(at, `[${line}]`)
    case 5:
      return lines.with(
        at,
        line.replace(/:[^,]*/, () => `:${jsonOf(nested(random.pick([3, 501, 10_000])))}`)
      )
    default:
      return lines.with(at, changedField(line, random))
  }
}

/** Changes a JSON Lines file in one place: a field, a line, some text or a few bytes. */
export const mutatedFile = (lines: ReadonlyArray<string>, random: Random): Uint8Array => {
  const kind = random.below(10)
  const file = Buffer.from(`${(kind < 6 ? changedLines(lines, random) : lines).join("\n")}\n`)
  if (kind < 6) return file
  const at = random.below(file.length)
  if (kind < 8) return Buffer.concat([file.subarray(0, at), Buffer.from(random.pick(pieces)), file.subarray(at)])
  if (kind < 9) return file.subarray(0, at)
  for (let count = 1 + random.below(3); count > 0; count--) file[random.below(file.length)] = random.below(256)
  return file
}

/** Changes a text in one place: some text, a missing or duplicate line, a missing end or a few bytes. */
export const mutatedText = (text: string, random: Random): Uint8Array => {
  const lines = text.split("\n")
  const line = random.below(lines.length)
  const at = random.below(text.length)
  switch (random.below(5)) {
    case 0:
      return Buffer.from(
        text.slice(0, at) + random.pick([...pieces, "- @", "&a *a", "---\n", ": ", "\t"]) + text.slice(at)
      )
    case 1:
      return Buffer.from(lines.toSpliced(line, 1).join("\n"))
    case 2:
      return Buffer.from(lines.toSpliced(line, 0, lines[random.below(lines.length)] ?? "").join("\n"))
    case 3:
      return Buffer.from(text.slice(0, at))
    default: {
      const bytes = Buffer.from(text)
      for (let count = 1 + random.below(3); count > 0; count--) bytes[random.below(bytes.length)] = random.below(256)
      return bytes
    }
  }
}
