/** Makes something for each combination of arguments once, when it is first asked for. */
export const madeOnce = <Arguments extends ReadonlyArray<boolean>, A>(
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
