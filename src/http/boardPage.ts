import { Context, Effect, type Layer } from "effect"
import { HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { makeProblem, problemResponse } from "./problems.ts"
import { boardDirectory } from "../services/packageFiles.ts"

/** The path of the board. */
export const boardPath = "/"

/** The beginning of the paths of the board's assets. */
const assetPrefix = "/board/"

/** Whether a path is the board's page, or would be one of its assets. */
export const isBoardPath = (path: string): boolean => path === boardPath || path.startsWith(assetPrefix)

/** The folder of the built board: `index.html` and its assets. Defaults to the one of this package. */
export const BoardDirectory: Context.Reference<string | undefined> = Context.Reference<string | undefined>(
  "mosaic-backlog/http/BoardDirectory",
  { defaultValue: boardDirectory }
)

/** A file of the board, as it was when the server started. */
interface BoardFile {
  readonly path: `/${string}`
  readonly contentType: string
  readonly bytes: Uint8Array
}

/** The files of the board, as they were when the server started. Empty if the board was not built. */
export type BoardFiles = ReadonlyArray<BoardFile>

const pageName = "index.html"

/** The types of the assets, by the ends of their names. */
const assetTypes: ReadonlyMap<string, string> = new Map([
  ["js", "text/javascript; charset=utf-8"],
  ["css", "text/css; charset=utf-8"]
])

/** Reads the files of the board. Returns none if its folder or its page is missing. */
export const readBoardFiles: Effect.Effect<BoardFiles> = Effect.map(BoardDirectory, (directory) => {
  if (directory === undefined) return []
  try {
    const names = readdirSync(directory)
    if (!names.includes(pageName)) return []
    return names.flatMap((name): BoardFiles => {
      // A name with other characters could be read as the pattern of a route.
      if (!/^[\w.-]+$/.test(name)) return []
      const isPage = name === pageName
      const contentType = isPage ? "text/html; charset=utf-8" : assetTypes.get(name.split(".").at(-1) ?? "")
      if (contentType === undefined) return []
      return [
        {
          path: isPage ? boardPath : `${assetPrefix}${name}`,
          contentType,
          bytes: readFileSync(join(directory, name))
        }
      ]
    })
  } catch {
    return []
  }
})

/**
 * Serves the board's page and its assets. A path of the board that is none of these files is unknown, so that no name leads
 * out of the folder. Without files, the page's path says that the board was not built.
 */
export const layerBoardPage = (files: BoardFiles): Layer.Layer<never, never, HttpRouter.HttpRouter> =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      for (const file of files) yield* router.add("GET", file.path, makeResponder(file))
      if (files.length === 0) yield* router.add("GET", boardPath, Effect.succeed(notBuilt))
    })
  )

/** Makes the function that responds to the requests of a file. Compresses the file at the first request that accepts it. */
const makeResponder = ({ bytes, contentType, path }: BoardFile) => {
  const hash = createHash("sha256").update(bytes).digest("base64url").slice(0, 22)
  let compressed: Uint8Array | undefined
  const cacheControl = path === boardPath ? "no-cache" : "public, max-age=31536000, immutable"
  return ({ headers }: HttpServerRequest.HttpServerRequest) => {
    const isCompressed = acceptsGzip(headers["accept-encoding"])
    const etag = `"${hash}${isCompressed ? "-gzip" : ""}"`
    const sent = { ...pageHeaders, "cache-control": cacheControl, etag, vary: "accept-encoding" }
    const response = matchesTag(headers["if-none-match"], etag)
      ? HttpServerResponse.empty({ status: 304, headers: sent })
      : HttpServerResponse.uint8Array(isCompressed ? (compressed ??= gzipSync(bytes, { level: 9 })) : bytes, {
          contentType,
          headers: isCompressed ? { ...sent, "content-encoding": "gzip" } : sent
        })
    return Effect.succeed(response)
  }
}

/** The page runs its own scripts and styles only, sends requests to this server only, and is in no frame. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'"
].join("; ")

const pageHeaders = {
  "content-security-policy": policy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
}

/** Whether a header `Accept-Encoding` accepts gzip. Without the header, no compression is accepted. */
const acceptsGzip = (header = ""): boolean => {
  const accepted = new Map(
    header.split(",").map((each) => {
      const [coding = "", ...parameters] = each.split(";").map((part) => part.trim().toLowerCase())
      return [coding, !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))]
    })
  )
  return accepted.get("gzip") ?? accepted.get("*") ?? false
}

/** Whether a header `If-None-Match` names an entity tag. A proxy may have made the tag weak. */
const matchesTag = (header: string | undefined, etag: string): boolean =>
  header !== undefined &&
  header.split(",").some((each) => {
    const tag = each.trim()
    return tag === "*" || tag === etag || tag === `W/${etag}`
  })

const notBuilt = problemResponse(
  makeProblem(
    "UnknownPath",
    "This installation has no board. Run `npm run build` in a clone of the package, or install the package. /docs describes the API."
  )
)
