import type { Anchor } from "../api/types.ts"

const prefix = "mosaic-backlog-anchor 1"

/** Formats an anchor as the line that `backlog anchor` prints and `backlog verify --anchor` takes. */
export const formatAnchor = ({ at, chainHash, position, signature }: Anchor): string =>
  `${prefix} ${position} ${chainHash} ${at}${signature === null ? "" : ` ${signature}`}`

/** Parses one line as an anchor. Returns `undefined` if it is not exactly the line of an anchor. */
export const parseAnchor = (line: string): Anchor | undefined => {
  const text = line.trim()
  const [, position, chainHash = "", at = "", signature = null] =
    /^mosaic-backlog-anchor 1 (0|[1-9]\d{0,15}) ([0-9a-f]{64}) (\S{1,40})(?: ([A-Za-z0-9_-]{86}))?$/.exec(text) ?? []
  const time = Date.parse(at)
  if (position === undefined || Number.isNaN(time) || !Number.isSafeInteger(Number(position))) return undefined
  const anchor: Anchor = { position: Number(position), chainHash, at: new Date(time).toISOString(), signature }
  return formatAnchor(anchor) === text ? anchor : undefined
}

/** What a text of anchors contains: the newest anchor, or why it cannot be used. */
export type AnchorText =
  | {
      readonly _tag: "Anchor"
      readonly anchor: Anchor
      /** How many anchors the text has. */
      readonly count: number
      /** Whether the last line is incomplete, as after a failed write, and is ignored. */
      readonly isTruncated: boolean
    }
  | { readonly _tag: "Refused"; readonly problem: string }

/**
 * Reads a pasted anchor, or the content of an anchor file, by the rules of `backlog verify --anchor-file`: each line is an anchor
 * or empty, only a last line without its end may be incomplete, and the newest anchor is the one at the highest position.
 */
export const readAnchors = (text: string): AnchorText => {
  const lines = text.split("\n")
  const rest = lines.pop() ?? ""
  const anchors: Array<Anchor> = []
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue
    const anchor = parseAnchor(line)
    if (anchor === undefined) return refuse(`Line ${index + 1}`)
    anchors.push(anchor)
  }
  const last = parseAnchor(rest)
  const isTruncated =
    rest.trim() !== "" &&
    (last === undefined || (last.signature === null && (anchors.at(-1)?.signature ?? null) !== null))
  if (last !== undefined && !isTruncated) anchors.push(last)
  const [first, ...others] = anchors
  if (first === undefined) return refuse("The text")
  const anchor = others.reduce((newest, each) => (each.position >= newest.position ? each : newest), first)
  return { _tag: "Anchor", anchor, count: anchors.length, isTruncated }
}

const refuse = (where: string): AnchorText => ({
  _tag: "Refused",
  problem: `${where} is not an anchor. An anchor is a line as backlog anchor prints it: ${prefix} POSITION CHAIN-HASH TIME`
})
