import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import addFormats from "ajv-formats"
import type { Answer } from "./startServer.ts"
import { framesOf } from "./serverSentEvents.ts"

/** A part of an OpenAPI document. */
export type Part = Readonly<Record<string, unknown>>

/** An operation of a document. */
export interface Operation {
  readonly path: string
  readonly method: "get" | "post"
  readonly part: Part
  /** The tags of the problems that it documents as failures. */
  readonly tags: ReadonlyArray<string>
}

/** A served OpenAPI document, and the checks that it implies. */
export interface OpenApiDocument {
  readonly operations: ReadonlyArray<Operation>
  /** Why a response does not conform to the document. `undefined` if it does. */
  readonly problemOf: (operation: Operation, answer: Pick<Answer, "status" | "text" | "headers">) => string | undefined
  /** The check of the operation's body. `undefined` if it takes none, or one that is no JSON. */
  readonly bodyCheck: (operation: Operation) => ValidateFunction | undefined
  /** Resolves a reference. */
  readonly resolve: (reference: string) => Part
}

const escapePointer = (token: string): string => token.replaceAll("~", "~0").replaceAll("/", "~1")

/** The JSON documents in a response. */
const documentsIn = (type: string, text: string): ReadonlyArray<unknown> => {
  switch (type) {
    case "text/event-stream":
      return framesOf(text).map((frame) => ({ event: "message", ...frame }))
    case "application/x-ndjson":
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as unknown)
    default:
      return [JSON.parse(text) as unknown]
  }
}

/** Reads a document. */
export const readDocument = (document: Part): OpenApiDocument => {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(document, "document")
  const checkAt = (...place: ReadonlyArray<string>): ValidateFunction =>
    ajv.compile({ $ref: `document#/${place.map((token) => encodeURIComponent(escapePointer(token))).join("/")}` })
  const operations = Object.entries(document["paths"] as Record<string, Record<string, Part>>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, part]): Operation => ({
        path,
        method: method as Operation["method"],
        part,
        tags: [
          ...new Set(
            Object.entries(part["responses"] as Part)
              .filter(([status]) => Number(status) >= 400)
              .flatMap(([, response]) => [...JSON.stringify(response).matchAll(/schemas\/(\w+)Problem"/g)])
              .map(([, tag]) => String(tag))
          )
        ]
      }))
  )
  return {
    operations,
    problemOf: ({ method, part, path }, { headers, status, text }) => {
      const response = (part["responses"] as Record<string, Part>)[status]
      if (response === undefined) return `the status ${status} is not documented: ${text}`
      const content = response["content"] as Record<string, Part> | undefined
      if (content === undefined) return text === "" ? undefined : `the status ${status} has a body`
      const type = (headers.get("content-type") ?? "").split(";")[0] ?? ""
      if (!(type in content)) return `the type ${type} of the status ${status} is not documented`
      const { schema } = content[type] as { readonly schema: Part }
      if (schema["format"] === "binary") return undefined
      const check = checkAt("paths", path, method, "responses", String(status), "content", type, "schema")
      const wrong = documentsIn(type, text).find((each) => !check(each))
      return wrong === undefined ? undefined : `${ajv.errorsText(check.errors)}: ${JSON.stringify(wrong)}`
    },
    bodyCheck: ({ method, part, path }) => {
      const body = part["requestBody"] as { readonly content: Part } | undefined
      return body?.content["application/json"] === undefined
        ? undefined
        : checkAt("paths", path, method, "requestBody", "content", "application/json", "schema")
    },
    resolve: (reference) =>
      reference
        .slice(2)
        .split("/")
        .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], document) as Part
  }
}
