/** Fields that may be left out, and are never `undefined`. */
export type WithoutUndefined<Fields> = {
  [K in keyof Fields as undefined extends Fields[K] ? never : K]: Fields[K]
} & {
  [K in keyof Fields as undefined extends Fields[K] ? K : never]?: Exclude<Fields[K], undefined>
}

/** JSON has no `undefined`: a field with it is left out, also of the objects in the fields that are named here. */
export const withoutUndefined = <Fields extends object>(fields: Fields): WithoutUndefined<Fields> =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, nested[name]?.(value as never) ?? value])
  ) as WithoutUndefined<Fields>

type Nested = Readonly<Record<string, (value: never) => unknown>>

const eachWithoutUndefined = (listed: ReadonlyArray<object>) => listed.map((each) => withoutUndefined(each))

const nested: Nested = {
  cards: eachWithoutUndefined,
  completions: eachWithoutUndefined,
  claimNext: withoutUndefined
}
