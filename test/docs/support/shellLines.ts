/** A line of a page: one program, and the destination of its output. */
export interface ShellLine {
  readonly line: string
  /** Variables that are set only for the program. */
  readonly env: Readonly<Record<string, string>>
  readonly words: ReadonlyArray<string>
  /** The variable that gets the output, as in `TOKEN=$(…)`. */
  readonly into: string | undefined
  readonly output: { readonly file: string; readonly appends: boolean } | undefined
  readonly isInBackground: boolean
}

/** Splits a text into lines, without comments, and joins lines that end with a backslash. */
export const linesIn = (text: string): ReadonlyArray<string> =>
  text
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "")

type Variables = Readonly<Record<string, string>>

const expand = (text: string, variables: Variables): string =>
  text.replaceAll(/\$(?:\{([^}]+)\}|([A-Z_]+))/g, (_, braced?: string, plain?: string) => {
    const name = braced ?? plain ?? ""
    const value = variables[name]
    if (value === undefined) throw new Error(`the variable $${name} is not set`)
    return value
  })

const wordPattern = /(?:'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"])+/g

/** Removes a word's quotes and expands its variables like a shell. */
const unquoted = (word: string, variables: Variables): string =>
  word.replaceAll(
    /'([^']*)'|"((?:\\.|[^"\\])*)"|([^'"]+)/g,
    (_, verbatim?: string, quoted?: string, plain?: string) => {
      if (verbatim !== undefined) return verbatim
      if (quoted !== undefined) return expand(quoted, variables).replaceAll(/\\(["\\$`])/g, "$1")
      return expand((plain ?? "").replace(/^~(?=\/|$)/, "$HOME"), variables)
    }
  )

/** Parses a line. Supports the syntax that the pages use. */
export const parseLine = (line: string, variables: Variables): ShellLine => {
  const [, into, inner] = /^([A-Z]+)=\$\((.*)\)$/.exec(line) ?? []
  const words = (inner ?? line).match(wordPattern) ?? []
  const env: Record<string, string> = {}
  while (/^[A-Z_]+=/.test(words[0] ?? "")) {
    const [name = "", value = ""] = words.shift()?.split(/=(.*)/s) ?? []
    env[name] = unquoted(value, variables)
  }
  const isInBackground = words.at(-1) === "&"
  if (isInBackground) words.pop()
  const redirected = words.findIndex((word) => word === ">" || word === ">>")
  const [operator, file] = redirected === -1 ? [] : words.splice(redirected, 2)
  return {
    line,
    env,
    into,
    isInBackground,
    words: words.map((word) => unquoted(word, variables)),
    output: file === undefined ? undefined : { file: unquoted(file, variables), appends: operator === ">>" }
  }
}
