import { hostname, networkInterfaces } from "node:os"

/** Names under which only this machine reaches itself. */
const loopbackNames: ReadonlyArray<string> = ["localhost", "127.0.0.1", "[::1]"]

/** Whether only this machine can reach an address. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host)

const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::" || host === ""

/** A host as it stands in a URL or a header `Host`. */
export const inUrl = (host: string): string => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host)

/** Names by which a server that listens on `host` is asked for; where that is every address, all that this machine has. */
export const namesOf = (host: string, allowed: ReadonlyArray<string>): ReadonlySet<string> =>
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
    ].map((name) => inUrl(name).toLowerCase())
  )

/** The host of a header `Host`, without the port; `undefined` for what is none. */
export const hostIn = (header: string): string | undefined =>
  /^(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(?::\d{1,5})?$/.exec(header.toLowerCase())?.[1]
