import { switches, synonyms, valued } from "./flagNames.ts"

/**
 * Makes the arguments plain for the parser, which would take `--json 1` for a value of `--json` (a card may be called
 * 1) and `--body "- item"` for a flag:
 *
 * - a switch says its value: `--json` becomes `--json=true`, once however often it is given;
 * - a flag and its value become one word, also when the value begins with `-`, unless it looks like a flag itself;
 * - another word for a command becomes the command, and `help claim` becomes `claim --help`.
 *
 * What follows `--` is left alone.
 */
export const plainArguments = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = argv.indexOf("--")
  const words = end === -1 ? argv : argv.slice(0, end)
  return [...withCommand(joined(words)), ...(end === -1 ? [] : argv.slice(end))]
}

const joined = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const plain: Array<string> = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ""
    const next = words[index + 1]
    const name = word.startsWith("--") ? word.slice(2) : undefined
    if (name !== undefined && switches.has(name)) {
      if (!plain.includes(`${word}=true`)) plain.push(`${word}=true`)
    } else if (name !== undefined && valued.has(name) && next !== undefined && !looksLikeFlag(next)) {
      plain.push(`${word}=${next}`)
      index++
    } else {
      plain.push(word)
    }
  }
  return plain
}

const looksLikeFlag = (word: string): boolean => /^(--[a-z][a-z-]*(=|$)|-[hv]$)/.test(word)

const withCommand = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const at = words.findIndex((word) => !word.startsWith("-"))
  const command = words[at]
  if (command === undefined) return words
  const rest = [...words.slice(0, at), ...words.slice(at + 1)]
  if (command === "help") return [...withCommand(rest), "--help=true"]
  return Object.hasOwn(synonyms, command) ? words.with(at, synonyms[command] ?? command) : words
}

/** Whether plain arguments ask for JSON: also when they cannot be parsed, the answer is then one JSON document. */
export const asksForJson = (words: ReadonlyArray<string>): boolean => {
  const end = words.indexOf("--")
  return (end === -1 ? words : words.slice(0, end)).some((word) => /^--json=(true|yes|on|1|y)$/.test(word))
}
