/** The bytes that come first and last, where more come than are kept; between them it is said how many were left out. */
export class HeadAndTail {
  readonly #headBytes: number
  readonly #tailBytes: number
  #head = Buffer.alloc(0)
  #tail = Buffer.alloc(0)
  #leftOut = 0

  constructor(limits: { readonly headBytes: number; readonly tailBytes: number }) {
    this.#headBytes = limits.headBytes
    this.#tailBytes = limits.tailBytes
  }

  add(chunk: Uint8Array): void {
    const room = this.#headBytes - this.#head.length
    if (room > 0) this.#head = Buffer.concat([this.#head, chunk.subarray(0, room)])
    if (chunk.length <= room) return
    const tail = Buffer.concat([this.#tail, chunk.subarray(Math.max(0, room))])
    const excess = Math.max(0, tail.length - this.#tailBytes)
    this.#leftOut += excess
    // A copy, so that the whole of a great chunk is not kept for a part of it.
    this.#tail = Buffer.from(tail.subarray(excess))
  }

  /** As text: what is no UTF-8, and NUL, which no database keeps, is replaced. */
  text(): string {
    if (this.#leftOut === 0) return textOf(Buffer.concat([this.#head, this.#tail]))
    const note = `… ${this.#leftOut} bytes left out …`
    return [textOf(this.#head), note, textOf(this.#tail)].filter((part) => part !== "").join("\n")
  }
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replaceAll("\u0000", "\ufffd")
