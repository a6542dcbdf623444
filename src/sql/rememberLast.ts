/** The same function, which answers at once when it is asked the same again: most times of a batch are one. */
export const rememberLast = <A, B>(of: (value: A) => B): ((value: A) => B) => {
  let last: { readonly value: A; readonly result: B } | undefined
  return (value) => {
    if (last === undefined || last.value !== value) last = { value, result: of(value) }
    return last.result
  }
}
