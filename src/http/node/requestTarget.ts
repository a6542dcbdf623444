import { Result } from "effect"

/** The target of a request, whose path has only one spelling. */
export interface RequestTarget {
  /** Path and query as they were sent. */
  readonly url: string
  /** The path that every check compares, percent-decoded. */
  readonly path: string
}

/** Characters that a path segment may contain unencoded. `;` begins parameters, which no path here has. */
const plainPath = /^\/(?:[\w.~!$&'()*+,=:@-]+\/)*[\w.~!$&'()*+,=:@-]*$/
const encodedPath = /^\/(?:(?:[\w.~!$&'()*+,=:@-]|%[\dA-F]{2})+\/)*(?:[\w.~!$&'()*+,=:@-]|%[\dA-F]{2})*$/
const dotSegment = /\/\.{1,2}(?:\/|$)/
/** Encoded unreserved characters (equivalent to unencoded ones by RFC 3986), separators and control characters. */
const neverEncoded = /%(?:2[DEF]|3\d|4[1-9A-F]|5[\dAF]|6[1-9A-F]|7[\dAEF]|5C|[01][\dA-F])/
const absolute = /^https?:\/\/([^/?#]*)(.*)$/is

/**
 * Parses the target of a request, or says why it is refused. Refuses a path that two programs could read differently: with
 * `//`, `;`, `#`, dot segments, or needlessly encoded characters. The guard, the router and a proxy read every other path
 * alike.
 */
export const requestTarget = (sent: string, host: string | undefined): Result.Result<RequestTarget, string> => {
  let url = sent
  if (!url.startsWith("/")) {
    const [, authority, rest = ""] = absolute.exec(url) ?? []
    if (authority === undefined) return Result.fail("The request target is not a path.")
    if (authority.toLowerCase() !== host?.toLowerCase()) {
      return Result.fail("The request target and the header Host name different servers.")
    }
    url = rest.startsWith("/") ? rest : `/${rest}`
  }
  if (url.includes("#")) return Result.fail("The request target has a fragment.")
  const query = url.indexOf("?")
  const path = query === -1 ? url : url.slice(0, query)
  if (dotSegment.test(path)) return ambiguous
  if (plainPath.test(path)) return Result.succeed({ url, path })
  if (!encodedPath.test(path) || neverEncoded.test(path)) return ambiguous
  try {
    return Result.succeed({ url, path: decodeURI(path) })
  } catch {
    return ambiguous
  }
}

const ambiguous = Result.fail(
  "The path is ambiguous. Send it without //, ; and dot segments, and encode only characters that require it."
)
