/**
 * Quotes a word for a POSIX shell. A word with control characters is in the form `$'…'` of bash and zsh, so that the line stays
 * one line, and no character reaches the terminal that could act there.
 */
export const quoteWord = (word: string): string => {
  if (/^[\w./:=@%+,-]+$/.test(word)) return word
  if (!/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u.test(word)) return `'${word.replaceAll("'", String.raw`'\''`)}'`
  const escaped = word.replaceAll(/[\\']|[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, escapeCharacter)
  return `$'${escaped}'`
}

const named: Readonly<Record<string, string>> = {
  "\n": String.raw`\n`,
  "\t": String.raw`\t`,
  "\r": String.raw`\r`,
  "\\": String.raw`\\`,
  "'": String.raw`\'`
}

const escapeCharacter = (character: string): string =>
  named[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** An option of a command line: `--text VALUE`, or a switch with the value `true`. */
export interface Option {
  readonly flag: string
  readonly value: string | true
  /** Whether the program reads standard input if the value is `-`. Defaults to false. */
  readonly readsInput?: boolean
}

/** A command line of the program. */
export interface CommandLine {
  readonly command: string
  readonly options?: ReadonlyArray<Option>
  /** Arguments without a flag, such as the id of a card. */
  readonly operands?: ReadonlyArray<string>
}

/**
 * Formats a command line of `backlog` for the server at `address`. A value that begins with `-` is joined to its flag, and an
 * operand that does follows `--`, because the program would read both as flags.
 */
export const formatCommandLine = ({ command, operands = [], options = [] }: CommandLine, address: string): string => {
  const words = [...options, { flag: "db", value: address }].flatMap(({ flag, value }) =>
    value === true
      ? [`--${flag}`]
      : value.startsWith("-") || value === ""
        ? [`--${flag}=${quoteWord(value)}`]
        : [`--${flag}`, quoteWord(value)]
  )
  const separator = operands.some((each) => each.startsWith("-")) ? ["--"] : []
  const line = ["backlog", command, ...words, ...separator, ...operands.map(quoteWord)].join(" ")
  return options.some(({ readsInput, value }) => readsInput === true && value === "-") ? `printf %s - | ${line}` : line
}
