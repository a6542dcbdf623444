/**
 * Polyfills the few functions of Node 22 that Vitest 5 uses. Without `Map.groupBy` it cannot print a failed test. On Node 22
 * and newer this changes nothing.
 */
const define = (target: object, name: string, value: unknown): void => {
  if (!(name in target)) Object.defineProperty(target, name, { value, writable: true, configurable: true })
}

define(Map, "groupBy", <Item, Key>(items: Iterable<Item>, keyOf: (item: Item, index: number) => Key) => {
  const groups = new Map<Key, Array<Item>>()
  let index = 0
  for (const item of items) {
    const key = keyOf(item, index++)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
})

define(Object, "groupBy", <Item>(items: Iterable<Item>, keyOf: (item: Item, index: number) => PropertyKey) => {
  const groups: Partial<Record<PropertyKey, Array<Item>>> = Object.create(null)
  let index = 0
  for (const item of items) (groups[keyOf(item, index++)] ??= []).push(item)
  return groups
})

define(Promise, "withResolvers", () => {
  let resolve: (value: unknown) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise((resolvePromise, rejectPromise) => {
    resolve = resolvePromise
    reject = rejectPromise
  })
  return { promise, resolve, reject }
})
