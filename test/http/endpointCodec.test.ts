import { Schema } from "effect"
import { HttpApiSchema, type HttpApiEndpoint } from "effect/http-api"
import { describe, it } from "vitest"
import { BacklogApi } from "../../src/http/api/BacklogApi.ts"
import { expectSameDecoder, expectSameEncoder } from "../support/expectSameCodec.ts"

const endpoints = Object.values(BacklogApi.groups).flatMap(
  (group) => Object.values(group.endpoints) as ReadonlyArray<HttpApiEndpoint.Top>
)
const strict = { onExcessProperty: "error" } as const

const isStream = (schema: Schema.Top) => "_tag" in schema && String(schema._tag).startsWith("Stream")

describe("the fast codecs agree with the schemas of the endpoint", () => {
  it.each(endpoints.map((endpoint) => [endpoint.identifier, endpoint] as const))("%s", (_, endpoint) => {
    if (endpoint.headers !== undefined) expectSameDecoder(endpoint.headers)
    if (endpoint.query !== undefined) expectSameDecoder(Schema.toCodecArrayFromSingle(endpoint.query), strict)
    for (const { encoding, schemas } of endpoint.payload.values()) {
      if (encoding._tag !== "Stream") expectSameDecoder(Schema.Union(schemas), strict)
    }
    for (const schema of endpoint.success) {
      if ("_tag" in schema && schema._tag === "StreamNdjson") {
        expectSameEncoder(Schema.toCodecJson((schema as HttpApiSchema.StreamNdjson<Schema.Top>).schema))
      } else if (!isStream(schema) && !HttpApiSchema.isNoContent(schema.ast)) expectSameEncoder(schema)
    }
  })
})
