import { OpenApi } from "effect/http-api"
import { rolesFor } from "../../src/http/access/policy.ts"
import { BacklogApi, operationPaths } from "../../src/http/api/BacklogApi.ts"
import { serverProblemMeanings } from "../../src/http/problems.ts"
import { code, codes, escapeText, linkTo, type Page, pageHead, paragraphs, sentence, table } from "./markdown.ts"
import { type JsonSchema, membersOfJson, typeText } from "./typeText.ts"

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema: JsonSchema
}

type Content = Readonly<Record<string, { readonly schema?: JsonSchema }>>

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly tags: ReadonlyArray<string>
  readonly parameters: ReadonlyArray<Parameter>
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Content }>>
}

interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> }
}

/** The groups of endpoints, by their tags in the document. */
const groups: Readonly<Record<string, string>> = {
  Backlog: "Endpoints of BacklogService",
  Audit: "Endpoints of AuditService",
  Caller: "The caller"
}

/** docs/http-api.md: the endpoints of the server. */
export const httpApiPage = (): Page => {
  const document = OpenApi.fromApi(BacklogApi) as unknown as OpenApiDocument
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path,
      method: method.toUpperCase(),
      name: operation.operationId.split(".").at(-1) ?? "",
      operation
    }))
  )
  const { schemas } = document.components
  const types = Object.keys(schemas)
    .filter((name) => !name.endsWith("Problem") && membersOfJson(schemas[name] ?? {}).length > 0)
    .sort()
  const link = (type: string): string => {
    if (type.endsWith("Problem")) return code(type.slice(0, -"Problem".length))
    return types.includes(type) ? linkTo(`Type ${type}`, code(type)) : typeText(schemas[type] ?? {}, type, code)
  }
  const everywhere = Object.keys(operations[0]?.operation.responses ?? {})
    .flatMap((status) => problemsOf(operations[0]?.operation, status))
    .filter((tag) =>
      operations.every(({ operation }) =>
        Object.keys(operation.responses).some((status) => problemsOf(operation, status).includes(tag))
      )
    )

  const section = ({ method, name, operation, path }: (typeof operations)[number]): string => {
    const body = operation.requestBody?.content ?? {}
    const own = Object.keys(operation.responses)
      .flatMap((status) => problemsOf(operation, status))
      .filter((tag) => !everywhere.includes(tag))
    return paragraphs(
      `### ${method} ${path}`,
      escapeText(sentence(operation.summary)),
      operation.description === `${operation.summary}.` ? undefined : escapeText(operation.description),
      `Roles: ${codes(rolesFor(name))}.`,
      operation.parameters.length === 0
        ? undefined
        : table(
            ["parameter", "in", "type", ""],
            operation.parameters.map((parameter) => [
              code(parameter.name),
              parameter.in,
              typeText(parameter.schema, parameter.name, link),
              parameter.required === true ? "required" : "optional"
            ])
          ),
      ...Object.entries(body).map(([mediaType, { schema = {} }]) => bodyText(mediaType, schema)),
      ...Object.entries(operation.responses)
        .filter(([status]) => Number(status) < 400)
        .map(([status, { content = {} }]) => responseText(status, content)),
      own.length === 0 ? undefined : `Problems: ${own.map(problemLink).join(", ")}.`
    ).trimEnd()
  }

  const bodyText = (mediaType: string, schema: JsonSchema): string => {
    const resolved = resolve(schema)
    const members = membersOfJson(resolved)
    return members.length === 0
      ? `Body: ${code(mediaType)}.`
      : paragraphs(
          `Body, ${code(mediaType)}:`,
          table(
            ["member", "type", ""],
            members.map((member) => [
              code(member.name),
              typeText(member.schema, member.name, link),
              member.required ? "required" : "optional"
            ])
          )
        ).trimEnd()
  }

  const resolve = (schema: JsonSchema): JsonSchema => {
    const reference = schema["$ref"]
    return typeof reference === "string" ? (schemas[reference.split("/").at(-1) ?? ""] ?? schema) : schema
  }

  const responseText = (status: string, content: Content): string => {
    const answers = Object.entries(content).map(([mediaType, { schema }]) =>
      mediaType === "application/json"
        ? typeText(schema ?? {}, "", link)
        : `${code(mediaType)}${schema === undefined || Object.keys(schema).length === 0 || schema["type"] === "string" ? "" : ` of ${typeText(schema, "", link)}`}`
    )
    return `Response ${status}: ${answers.length === 0 ? "no content" : answers.join(" or ")}.`
  }

  return {
    page: "docs/http-api.md",
    text: paragraphs(
      pageHead(
        "HTTP API",
        "This page lists every endpoint of the server with its roles, parameters, body, response and problems. It is made from the OpenAPI document that the server returns at `/openapi.json`. [http.md](http.md) explains how to call the server."
      ).trimEnd(),
      "`POST` endpoints take a JSON body, except for the import of a log. Unknown members are refused. Times are ISO 8601. The roles are those of [access tokens](security.md#tokens).",
      `Every endpoint can also return these problems: ${everywhere.map(problemLink).join(", ")}.`,
      ...Object.entries(groups).flatMap(([tag, title]) => {
        const members = operations.filter(({ operation }) => operation.tags.includes(tag))
        if (members.length === 0) throw new Error(`The OpenAPI document has no operation with the tag ${tag}.`)
        return [
          `## ${title}`,
          table(
            ["endpoint", "roles", "purpose"],
            members.map(({ method, name, operation, path }) => [
              linkTo(`${method} ${path}`),
              rolesFor(name).join(", "),
              escapeText(operation.summary)
            ])
          ),
          ...members.map(section)
        ]
      }),
      "## Other paths",
      table(
        ["path", "response"],
        [
          [code(operationPaths.health), "200 while the process responds"],
          [code(operationPaths.ready), "200 if the server accepts commands, otherwise 503 with the problem `NotReady`"],
          [code(operationPaths.metrics), "the [metrics](metrics.md), for Prometheus"],
          [code("/openapi.json"), "the OpenAPI document"],
          [code("/docs"), "the OpenAPI document as a page"],
          [code("/"), "the [board](board.md)"],
          [code("/mcp"), "[tools for agents](mcp.md), with `backlog serve`"]
        ]
      ),
      "## Types",
      ...types.map((type) =>
        paragraphs(
          `### Type ${type}`,
          table(
            ["member", "type", ""],
            membersOfJson(schemas[type] ?? {}).map((member) => [
              code(member.name),
              typeText(member.schema, member.name, link),
              member.required ? "required" : "optional"
            ])
          )
        ).trimEnd()
      )
    )
  }
}

const problemsOf = (operation: Operation | undefined, status: string): ReadonlyArray<string> => {
  if (Number(status) < 400) return []
  const schema = operation?.responses[status]?.content?.["application/problem+json"]?.schema
  const members = (schema?.["anyOf"] as ReadonlyArray<JsonSchema> | undefined) ?? (schema === undefined ? [] : [schema])
  return members.flatMap(({ $ref }) =>
    typeof $ref === "string" ? [($ref.split("/").at(-1) ?? "").replace(/Problem$/, "")] : []
  )
}

const problemLink = (tag: string): string =>
  Object.hasOwn(serverProblemMeanings, tag)
    ? `[${code(tag)}](errors.md#problems-of-the-server)`
    : `[${code(tag)}](errors.md#${tag.toLowerCase()})`
