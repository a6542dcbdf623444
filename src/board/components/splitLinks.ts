/** A part of a text: plain, or the address of a link. */
export interface TextPart {
  readonly text: string
  readonly isLink: boolean
}

const addressPattern = /\bhttps?:\/\/[^\s<>"'`\p{Cc}\p{Cf}]+/giu

/** Punctuation at the end of an address that belongs to the sentence. */
const trailingPattern = /[.,;:!?)\]}]+$/

/** Maximum number of links in a text. The addresses after them stay text, so that a long text does not become many elements. */
const maxLinks = 100

/** Splits a text at its http and https addresses. Addresses of other schemes stay text. Joined, the parts are the text. */
export const splitLinks = (text: string): ReadonlyArray<TextPart> => {
  const parts: Array<TextPart> = []
  let end = 0
  let links = 0
  for (const match of text.matchAll(addressPattern)) {
    const address = match[0].replace(trailingPattern, "")
    if (!URL.canParse(address)) continue
    if (++links > maxLinks) break
    if (match.index > end) parts.push({ text: text.slice(end, match.index), isLink: false })
    parts.push({ text: address, isLink: true })
    end = match.index + address.length
  }
  if (end < text.length) parts.push({ text: text.slice(end), isLink: false })
  return parts
}
