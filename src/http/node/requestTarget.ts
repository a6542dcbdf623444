import { Result } from "effect"

/** The target of a request whose path has one spelling only. */
export interface RequestTarget {
  /** Path and query, as they were sent. */
  readonly url: string
  /** The path as every check compares it, without percent signs. */
  readonly path: string
}

/** Characters that a segment of a path may have as they are; `;` begins parameters, which no path here has. */
const plainPath = /^\/(?:[\w.~!$&'()*+,=:@-]+\/)*[\w.~!$&'()*+,=:@-]*$/
const encodedPath = /^\/(?:(?:[\w.~!$&'()*+,=:@-]|%[\dA-F]{2})+\/)*(?:[\w.~!$&'()*+,=:@-]|%[\dA-F]{2})*$/
const dotSegment = /\/\.{1,2}(?:\/|$)/
/** Unreserved characters, of which RFC 3986 says that encoding them changes nothing; separators; control characters. */
const neverEncoded = /%(?:2[DEF]|3\d|4[1-9A-F]|5[\dAF]|6[1-9A-F]|7[\dAEF]|5C|[01][\dA-F])/
const absolute = /^https?:\/\/([^/?#]*)(.*)$/is

/**
 * The target of a request, or why it is refused. A path that two programs could read differently is refused: with `//`,
 * `;`, `#`, dot segments, or characters that are encoded without need. What is left means the same to the guard, the
 * router and a proxy.
 */
export const requestTarget = (sent: string, host: string | undefined): Result.Result<RequestTarget, string> => {
  let url = sent
  if (!url.startsWith("/")) {
    const [, authority, rest = ""] = absolute.exec(url) ?? []
    if (authority === undefined) return Result.fail("The target of the request is not a path.")
    if (authority.toLowerCase() !== host?.toLowerCase()) {
      return Result.fail("The target of the request names another server than its header Host.")
    }
    url = rest.startsWith("/") ? rest : `/${rest}`
  }
  if (url.includes("#")) return Result.fail("The target of the request has a fragment.")
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
  "The path can be read in several ways: send it without //, ; and dot segments, and with only those characters encoded that have to be."
)
