/** The name of a table as it is written: `tasks`, `public.tasks`, with double quotes where a part has a dot in it. */
export interface TableName {
  /** For a statement, every part in double quotes: nothing in it can be anything but a name. */
  readonly quoted: string
}

const part = /(?:"((?:[^"]|"")*)"|([^".]+))/y

/** Reads a table's name, or answers `undefined` when it is none. Letters stay as they are: `Tasks` is not `tasks`. */
export const parseTableName = (written: string): TableName | undefined => {
  const parts: Array<string> = []
  let at = 0
  do {
    part.lastIndex = at
    const match = part.exec(written)
    if (match === null) return undefined
    const name = match[1]?.replaceAll('""', '"') ?? match[2] ?? ""
    if (name === "" || name.includes("\u0000")) return undefined
    parts.push(name)
    at = part.lastIndex
  } while (written[at++] === ".")
  return at <= written.length || parts.length > 2 ? undefined : { quoted: parts.map(quoteIdentifier).join(".") }
}

/** A name for a statement. */
export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`
