import { hostname, networkInterfaces } from "node:os"

/** Whether a text is an origin as browsers write it: scheme, host, and a port unless it is the scheme's default. */
export const isOrigin = (text: string): boolean => /^https?:\/\//.test(text) && URL.parse(text)?.origin === text

/** The origin of the server's own pages. Omits the scheme's default port, as browsers do. */
export const serverOrigin = (scheme: "http" | "https", host: string): string | undefined =>
  URL.parse(`${scheme}://${host}`)?.origin

/** The names of the loopback interface. */
const loopbackNames: ReadonlyArray<string> = ["localhost", "127.0.0.1", "[::1]"]

/** Whether only this machine can reach an address. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host)

const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::" || host === ""

/** A host in the form of URLs and of the header `Host`. */
export const toUrlHost = (host: string): string => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host)

/** Accepted names of a server that listens on `host`. A server on all addresses accepts all names of this machine. */
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

/** The host of a header `Host`, without the port; `undefined` if the header is invalid. */
export const parseHost = (header: string): string | undefined =>
  /^(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(?::\d{1,5})?$/.exec(header.toLowerCase())?.[1]
