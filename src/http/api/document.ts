import { Schema } from "effect"
import type { HttpApiEndpoint } from "effect/http-api"
import {
  makeProblem,
  problemMediaType,
  type ProblemTag,
  serverProblemMeanings,
  type ServerProblemTag
} from "../problems.ts"

/*
 * The OpenAPI document is made from the schemas of the endpoints. This file adds what the schemas of the wire do not say: the
 * types of parameters, formats, the refusals of the server itself, and the address of the server.
 */

/** A part of an OpenAPI document. */
type Part = Readonly<Record<string, unknown>>

/** Completes the document of an API that has the groups. */
export const completeDocument =
  (...groups: ReadonlyArray<{ readonly endpoints: object }>) =>
  (document: Part): Part => {
    const endpoints = groups.flatMap((group) => Object.values(group.endpoints) as ReadonlyArray<HttpApiEndpoint.Top>)
    const paths = mapValues(document["paths"] as Part, (path, name) =>
      mapValues(path as Part, (operation, method) => {
        const endpoint = endpoints.find((each) => each.path === name && each.method.toLowerCase() === method)
        return completeOperation(operation as Part, endpoint, method)
      })
    )
    const components = document["components"] as Part
    const schemas = { ...(components["schemas"] as Part), ...serverProblemSchemas }
    return completeSchemas({
      ...document,
      servers: [{ url: "/", description: "The server that serves this document" }],
      paths,
      components: { ...components, schemas }
    }) as Part
  }

/** The document of a server behind a proxy that removes a prefix from the path. */
export const behindPrefix = (document: Part, prefix: string): Part =>
  prefix === ""
    ? document
    : {
        ...document,
        servers: (document["servers"] as ReadonlyArray<Part>).map((server) => ({ ...server, url: prefix }))
      }

const mapValues = (part: Part, change: (value: unknown, name: string) => unknown): Part =>
  Object.fromEntries(Object.entries(part).map(([name, value]) => [name, change(value, name)]))

const completeOperation = (operation: Part, endpoint: HttpApiEndpoint.Top | undefined, method: string): Part => {
  const types = endpoint === undefined ? {} : parameterTypes(endpoint)
  return {
    ...operation,
    description: operation["description"] ?? `${String(operation["summary"])}.`,
    parameters: (operation["parameters"] as ReadonlyArray<Part>).map((parameter) => {
      const type = types[String(parameter["name"])]
      return type === undefined ? parameter : { ...parameter, schema: type }
    }),
    responses: addServerProblems(operation["responses"] as Part, method)
  }
}

/**
 * The JSON Schemas of an endpoint's parameters as values: integers and booleans instead of text that encodes them, so that
 * generated clients accept numbers and booleans.
 */
const parameterTypes = ({ headers, query }: HttpApiEndpoint.Top): Readonly<Record<string, Part>> =>
  Object.fromEntries(
    [headers, query].flatMap((schema) => {
      if (schema === undefined) return []
      const { schema: described } = Schema.toJsonSchemaDocument(Schema.toType(schema))
      // A value that is no JSON, such as a time, keeps the schema of its text.
      return Object.entries((described["properties"] ?? {}) as Record<string, Part>).filter(
        ([, type]) => Object.keys(type).length > 0
      )
    })
  )

/** Refusals of every endpoint that are not errors of a service: the server returns them before or after the endpoint. */
const serverProblems: ReadonlyArray<ServerProblemTag> = [
  "BadRequest",
  "HostNotAllowed",
  "OriginNotAllowed",
  "ForwardedRequest",
  "Defect",
  "Unavailable"
]

/** Refusals of the endpoints that take a body. */
const bodyProblems: ReadonlyArray<ServerProblemTag> = ["UnsupportedMediaType"]

const reference = (tag: string): Part => ({ $ref: `#/components/schemas/${tag}Problem` })

/** The schema of a problem without members of its own. */
const plainProblemSchema = (tag: ServerProblemTag): Part => {
  const { _tag, status, type } = makeProblem(tag, "")
  return {
    type: "object",
    description: serverProblemMeanings[tag].meaning,
    properties: {
      type: { type: "string", enum: [type] },
      title: { type: "string" },
      status: { type: "integer", enum: [status] },
      detail: { type: "string" },
      _tag: { type: "string", enum: [_tag] }
    },
    required: ["type", "title", "status", "detail", "_tag"],
    additionalProperties: false
  }
}

const serverProblemSchemas: Part = Object.fromEntries(
  [...serverProblems, ...bodyProblems].map((tag) => [`${tag}Problem`, plainProblemSchema(tag)])
)

/** Headers of responses, by status. */
const responseHeaders: Readonly<Record<string, Part>> = {
  401: { "WWW-Authenticate": { description: "The scheme of the token", schema: { type: "string", enum: ["Bearer"] } } },
  429: { "Retry-After": { description: "Seconds to wait", schema: { type: "integer", minimum: 0 } } }
}

/** Adds the server's own refusals, and the headers, to the responses of an operation. */
const addServerProblems = (responses: Part, method: string): Part => {
  const added = new Map<string, Array<ProblemTag>>()
  for (const tag of method === "post" ? [...serverProblems, ...bodyProblems] : serverProblems) {
    const status = String(makeProblem(tag, "").status)
    added.set(status, [...(added.get(status) ?? []), tag])
  }
  const statuses = [...new Set([...Object.keys(responses), ...added.keys()])]
  return Object.fromEntries(
    statuses.map((status) => {
      const response = (responses[status] ?? {}) as Part
      const tags = added.get(status) ?? []
      const headers = responseHeaders[status]
      const described = response["description"] as string | undefined
      const description = [...(described === undefined ? [] : [described]), ...tags]
      return [
        status,
        {
          ...response,
          description: description.join(" | "),
          ...(headers === undefined ? {} : { headers }),
          ...(tags.length === 0 ? {} : { content: addToContent(response["content"] as Part | undefined, tags) })
        }
      ]
    })
  )
}

const addToContent = (content: Part | undefined, tags: ReadonlyArray<ProblemTag>): Part => {
  const { schema } = (content?.[problemMediaType] ?? {}) as { readonly schema?: Part }
  const known = schema === undefined ? [] : ((schema["anyOf"] as ReadonlyArray<Part> | undefined) ?? [schema])
  const members = [...known, ...tags.map(reference)]
  return { [problemMediaType]: { schema: members.length === 1 ? members[0] : { anyOf: members } } }
}

/** Any JSON value. */
const anyJson: Part = { description: "Any JSON value of at most 1 MiB and 500 levels. null means absent." }

/**
 * An instant as every answer writes it. Requests may also have an offset instead of `Z`, which is not documented because the
 * first and the last years could then not be expressed.
 */
const time: Part = {
  type: "string",
  format: "date-time",
  pattern:
    "^(?:[1-9]\\d{3}|0[1-9]\\d{2}|00[1-9]\\d|000[1-9])-\\d{2}-\\d{2}T(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?Z$"
}

/** Whether a member of this name is a time, if it is a text. `test/http/document.test.ts` checks that no other one has a time. */
export const isTimeName = (name: string): boolean =>
  /^(?:at|time|notBefore|changedSince|oldest\w*)$|[a-z](?:At|Time)$/.test(name)

/** Completes the schemas in a document. */
const completeSchemas = (value: unknown, name = ""): unknown => {
  if (Array.isArray(value)) return value.map((each) => completeSchemas(each))
  if (typeof value !== "object" || value === null) return value
  const part = value as Part
  // The encoding of an Effect client's failures, which this server does not send.
  if (name === "x-effect-stream") return { encoding: part["encoding"] }
  if (name === "properties") return mapValues(part, (schema, member) => completeMember(member, completeSchemas(schema)))
  if (part["in"] !== undefined && part["schema"] !== undefined) {
    const parameter = String(part["name"])
    const isTime = part["in"] === "query" && (parameter === "from" || parameter === "to")
    return { ...part, schema: completeMember(isTime ? "time" : parameter, completeSchemas(part["schema"])) }
  }
  return mergeBounds(withoutEmptyMember(mapValues(part, completeSchemas)))
}

const completeMember = (name: string, schema: unknown): unknown => {
  if (!isTimeName(name)) return schema
  const part = schema as Part
  if (part["type"] === "string" && part["enum"] === undefined) return { ...part, ...time }
  const members = part["anyOf"] as ReadonlyArray<Part> | undefined
  return members === undefined ? part : { ...part, anyOf: members.map((each) => completeMember(name, each)) }
}

/** Replaces a choice that has an unconstrained member, which `{}` is. */
const withoutEmptyMember = (part: Part): Part => {
  const members = part["anyOf"] as ReadonlyArray<Part> | undefined
  return members?.some((each) => Object.keys(each).length === 0) === true ? anyJson : part
}

const lowerBounds: ReadonlySet<string> = new Set(["minimum", "minLength", "minItems"])
const upperBounds: ReadonlySet<string> = new Set(["maximum", "maxLength", "maxItems"])

/** Merges bounds that `allOf` lists into the schema, which all tools then show. */
const mergeBounds = (part: Part): Part => {
  const { allOf, ...rest } = part as Part & { readonly allOf?: ReadonlyArray<Part> }
  if (allOf === undefined) return part
  const isBounds = (each: Part) => Object.keys(each).every((key) => lowerBounds.has(key) || upperBounds.has(key))
  const merged: Record<string, unknown> = { ...rest }
  for (const [key, value] of allOf.filter(isBounds).flatMap((each) => Object.entries(each))) {
    const before = merged[key]
    const narrower = lowerBounds.has(key) ? Math.max : Math.min
    merged[key] = before === undefined ? value : narrower(Number(before), Number(value))
  }
  const others = allOf.filter((each) => !isBounds(each))
  return others.length === 0 ? merged : { ...merged, allOf: others }
}
