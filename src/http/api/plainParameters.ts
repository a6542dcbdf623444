/** A part of an OpenAPI document. */
type Part = Readonly<Record<string, unknown>>

/**
 * Says of parameters what they are, and not that they are text on their way: whole numbers, and true or false. A generator's
 * client then takes those.
 */
export const plainParameters = (document: Part): Part => ({
  ...document,
  paths: mapValues(document["paths"] as Part, (path) =>
    mapValues(path as Part, (operation) => ({
      ...(operation as Part),
      parameters: ((operation as Part)["parameters"] as ReadonlyArray<Part>).map(plain)
    }))
  )
})

const plain = (parameter: Part): Part => {
  const schema = parameter["schema"] as Part
  if (schema["pattern"] !== undefined) return { ...parameter, schema: { type: "integer" } }
  if (String(schema["enum"]) === "true,false") return { ...parameter, schema: { type: "boolean" } }
  return parameter
}

const mapValues = (part: Part, change: (value: unknown) => unknown): Part =>
  Object.fromEntries(Object.entries(part).map(([name, value]) => [name, change(value)]))
