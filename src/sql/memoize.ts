/** Memoizes the last call: most values of a batch, such as times, repeat. */
export const memoizeLast = <A, B>(compute: (value: A) => B): ((value: A) => B) => {
  let last: { readonly value: A; readonly result: B } | undefined
  return (value) => {
    if (last === undefined || last.value !== value) last = { value, result: compute(value) }
    return last.result
  }
}
