/** Pseudorandom numbers that are the same for the same seed on every machine (mulberry32). */
export class Random {
  #state

  constructor(seed) {
    this.#state = seed >>> 0
  }

  /** A 32-bit unsigned integer. */
  uint32() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  /** A number from 0 (inclusive) to 1 (exclusive). */
  fraction() {
    return this.uint32() / 2 ** 32
  }

  /** An integer from `low` to `high`, both included. */
  integer(low, high) {
    return low + Math.floor(this.fraction() * (high - low + 1))
  }

  chance(probability) {
    return this.fraction() < probability
  }

  pick(items) {
    return items[Math.floor(this.fraction() * items.length)]
  }

  /** Bytes in hexadecimal. */
  hex(bytes) {
    let text = ""
    while (text.length < bytes * 2) text += this.uint32().toString(16).padStart(8, "0")
    return text.slice(0, bytes * 2)
  }
}
