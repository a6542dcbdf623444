/** The same function, which answers at once when it is asked the same again: most times of a batch are one. */
export const memoizeLast = <A, B>(of: (value: A) => B): ((value: A) => B) => {
  let last: { readonly value: A; readonly result: B } | undefined
  return (value) => {
    if (last === undefined || last.value !== value) last = { value, result: of(value) }
    return last.result
  }
}

/** Makes something for each combination of arguments once, when it is first asked for. */
export const memoizeByFlags = <Arguments extends ReadonlyArray<boolean>, A>(
  make: (...combination: Arguments) => A
): ((...combination: Arguments) => A) => {
  const made = new Map<string, A>()
  return (...combination) => {
    const key = combination.join()
    let one = made.get(key)
    if (one === undefined) made.set(key, (one = make(...combination)))
    return one
  }
}
