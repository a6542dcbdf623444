/** Minimum calls of every worker before the measured time starts and before it ends. */
const turnsBefore = 2
const turns = 5

/** Processor time of this process with all its threads, user and system, in microseconds. */
const cpuMicros = () => {
  const { system, user } = process.cpuUsage()
  return user + system
}

/**
 * Counts operations, their durations and this process's processor time, for some seconds or until `available` are
 * done. Before that is a warm-up of some seconds and operations, of at most `maxWarmUpSeconds` and a quarter of the operations
 * that are available. A round of all workers does `atOnce` operations. Workers check `isOver` before each operation.
 * `onStart` and `onEnd` are called when the measured time starts and ends.
 */
export class Meter {
  isOver = false
  #begins
  #beginsAtLatest
  #seconds
  #available
  #atOnce
  #warmUpOperations
  #leastWarmUp
  #all = 0
  #counted = 0
  #started
  #ended
  #cpuStarted
  #cpuEnded
  #latencies = []
  #onStart
  #onEnd
  #finish

  constructor({
    atOnce,
    available,
    maxWarmUpSeconds = Infinity,
    onEnd,
    onStart,
    seconds,
    warmUpOperations = 0,
    warmUpSeconds
  }) {
    const now = performance.now()
    this.#begins = now + warmUpSeconds * 1000
    this.#beginsAtLatest = now + maxWarmUpSeconds * 1000
    this.#seconds = seconds
    this.#available = available
    this.#atOnce = atOnce
    this.#leastWarmUp = turnsBefore * atOnce
    this.#warmUpOperations = Math.max(warmUpOperations, this.#leastWarmUp)
    this.#onStart = onStart
    this.#onEnd = onEnd
    this.finished = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  /** How many operations were done before the measured time. */
  get warmUp() {
    return this.#all - this.#counted
  }

  /** When the first measured operation started. */
  get started() {
    return this.#started
  }

  /** Records that `count` operations were done, together in `milliseconds`, when that is known. */
  done(count, milliseconds) {
    if (this.isOver) return
    const now = performance.now()
    this.#all += count
    if (this.#started !== undefined) {
      this.#counted += count
      this.#ended = now
      if (milliseconds !== undefined) this.#latencies.push(milliseconds)
      if (now - this.#started >= this.#seconds * 1000 && this.#counted >= turns * this.#atOnce) this.end()
    } else if (this.#isWarm(now)) {
      this.#started = now
      this.#cpuStarted = cpuMicros()
      this.#onStart?.()
    }
    if (this.#all >= this.#available) this.end()
  }

  #isWarm(now) {
    if (this.#all >= this.#available / 4) return true
    return (
      (now >= this.#begins && this.#all >= this.#warmUpOperations) ||
      (now >= this.#beginsAtLatest && this.#all >= this.#leastWarmUp)
    )
  }

  /** Records that nothing is left to do. */
  end() {
    if (this.isOver) return
    this.isOver = true
    this.#cpuEnded = cpuMicros()
    this.#onEnd?.()
    this.#finish()
  }

  result() {
    if (this.#counted === 0) throw new Error("nothing was done in the time that was to be measured")
    return {
      operations: this.#counted,
      milliseconds: this.#ended - this.#started,
      cpuMicros: this.#cpuEnded - this.#cpuStarted,
      latencies: this.#latencies.length === 0 ? null : this.#latencies
    }
  }
}

/** Runs loops, one for each worker: `once` returns how many operations it did, 0 when nothing is left. */
export const workInLoops = async (workers, meter, once) => {
  const loop = async (worker) => {
    while (!meter.isOver) {
      const started = performance.now()
      const count = await once(worker)
      if (count === 0) return
      meter.done(count, performance.now() - started)
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => loop(worker)))
  meter.end()
}
