/** The version of what `--json` prints: changed when a field changes its meaning or goes, not when one is added. */
const schemaVersion = 1

/**
 * One JSON document on one line. What a terminal would obey is escaped in it, which changes nothing for who parses it.
 */
export const jsonDocument = (content: { readonly data: unknown } | { readonly error: unknown }): string =>
  `${jsonText({ schemaVersion, ...content })}\n`

/** The same document where `data` is an array that is written piece by piece, with commas between what is in it. */
export const jsonArrayDocument = {
  begin: `{"schemaVersion":${schemaVersion},"data":[`,
  item: (item: unknown): string => jsonText(item),
  end: "]}\n"
} as const

const jsonText = (value: unknown): string => JSON.stringify(value).replace(obeyed, escaped)

const obeyed = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
