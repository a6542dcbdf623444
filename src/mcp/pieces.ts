/** A part of a text, and where the next one begins. */
export interface Piece {
  readonly text: string
  readonly from: number
  /** `undefined` at the end. */
  readonly next: number | undefined
}

/** So many characters of a text at most, from one on; a pair of surrogates stays together. */
export const pieceOf = (whole: string, from: number, length: number): Piece => {
  const begin = cutAt(whole, Math.min(from, whole.length))
  const end = cutAt(whole, Math.min(begin + length, whole.length))
  return { text: whole.slice(begin, end), from: begin, next: end < whole.length ? end : undefined }
}

/** A place in a text at which it may be cut, this or the one before. */
const cutAt = (text: string, index: number): number => {
  const unit = text.charCodeAt(index)
  return unit >= 0xdc00 && unit <= 0xdfff && index > 0 ? index - 1 : index
}
