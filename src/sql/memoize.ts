/** Memoizes the last call: most values of a batch, such as times, repeat. */
export const memoizeLast = <A, B>(compute: (value: A) => B): ((value: A) => B) => {
  let last: { readonly value: A; readonly result: B } | undefined
  return (value) => {
    if (last === undefined || last.value !== value) last = { value, result: compute(value) }
    return last.result
  }
}

/** Memoizes a function of flags: for example the variants of a statement, each prepared at its first use. */
export const memoizeByFlags = <Flags extends ReadonlyArray<boolean>, A>(
  make: (...flags: Flags) => A
): ((...flags: Flags) => A) => {
  const results = new Map<string, A>()
  return (...flags) => {
    const key = flags.join()
    let result = results.get(key)
    if (result === undefined) results.set(key, (result = make(...flags)))
    return result
  }
}
