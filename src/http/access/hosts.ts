import { hostname, networkInterfaces } from "node:os"

/** Whether a text is an origin as browsers write it: scheme, host, and a port where it is not the scheme's own. */
export const isOrigin = (text: string): boolean => /^https?:\/\//.test(text) && URL.parse(text)?.origin === text

/**
 * The origin of the server's own pages, by how the server is asked for. A browser leaves out the port that belongs to the
 * scheme, so that is left out here.
 */
export const serverOrigin = (scheme: "http" | "https", host: string): string | undefined =>
  URL.parse(`${scheme}://${host}`)?.origin

/** Names under which only this machine reaches itself. */
const loopbackNames: ReadonlyArray<string> = ["localhost", "127.0.0.1", "[::1]"]

/** Whether only this machine can reach an address. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host)

const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::" || host === ""

/** A host as it stands in a URL or a header `Host`. */
export const toUrlHost = (host: string): string => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host)

/** Names by which a server that listens on `host` is asked for; where that is every address, all that this machine has. */
export const allowedHostNames = (host: string, allowed: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(
    [
      ...loopbackNames,
      ...(isWildcard(host)
        ? [
            hostname(),
            ...Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address))
          ]
        : [host]),
      ...allowed
    ].map((name) => toUrlHost(name).toLowerCase())
  )

/** The host of a header `Host`, without the port; `undefined` for what is none. */
export const parseHost = (header: string): string | undefined =>
  /^(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(?::\d{1,5})?$/.exec(header.toLowerCase())?.[1]
