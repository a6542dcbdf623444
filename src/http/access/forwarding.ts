import { Result } from "effect"
import { BlockList, isIP } from "node:net"

/** The proxies that a server trusts: `true` for one on this machine, or addresses and networks. */
export type TrustProxy = boolean | ReadonlyArray<string>

/** Proxies whose forwarding headers are trusted. */
export interface TrustedProxies {
  readonly includes: (address: string) => boolean
  /** Whether a trusted proxy can itself be the client of another trusted proxy. */
  readonly allowsChain: boolean
}

/** Headers with which proxies, load balancers and tunnels name their client. */
const forwardingHeaders: ReadonlySet<string> = new Set([
  "forwarded",
  "via",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-original-forwarded-for",
  "x-original-host",
  "x-envoy-external-address",
  "true-client-ip",
  "fastly-client-ip",
  "cf-connecting-ip",
  "cf-ray",
  "cdn-loop",
  "client-ip",
  "x-forward-for",
  "x-originating-ip",
  "x-proxyuser-ip",
  "x-remote-ip",
  "x-remote-addr",
  "forwarded-for",
  "cf-connecting-ipv6",
  "fly-client-ip"
])

/** Prefixes of further forwarding headers. */
const forwardingPrefixes = ["x-forwarded", "x-azure-", "x-amzn-", "x-appengine-"]

/** The name of a forwarding header in a request; `undefined` if there is none. */
export const findForwardingHeader = (headers: Readonly<Record<string, unknown>>): string | undefined => {
  for (const given in headers) {
    // Some servers treat both spellings as the same header.
    const name = given.replaceAll("_", "-")
    if (forwardingHeaders.has(name) || forwardingPrefixes.some((prefix) => name.startsWith(prefix))) return name
  }
  return undefined
}

/** Parses the trusted proxies. Defaults to none. Fails with the first invalid address. */
export const trustedProxies = (trust: TrustProxy | undefined): Result.Result<TrustedProxies | undefined, string> => {
  if (trust === undefined || trust === false) return Result.succeed(undefined)
  const list = new BlockList()
  for (const each of trust === true ? ["127.0.0.0/8", "::1"] : trust) {
    if (!addProxy(list, each)) return Result.fail(each)
  }
  const includes = (address: string): boolean => {
    const family = isIP(address)
    return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4")
  }
  return Result.succeed({ includes, allowsChain: trust !== true })
}

const addProxy = (list: BlockList, given: string): boolean => {
  const [address = "", prefix, ...more] = given.split("/")
  const version = isIP(address)
  if (version === 0 || more.length > 0) return false
  const family = version === 6 ? "ipv6" : "ipv4"
  if (prefix === undefined) {
    list.addAddress(address, family)
    return true
  }
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1
  // A network of all addresses would trust every client.
  if (bits < 1 || bits > (version === 6 ? 128 : 32)) return false
  list.addSubnet(address, bits, family)
  return true
}

/** The address of a socket. An IPv4 address on a dual-stack socket is returned as IPv4. */
export const normalizeAddress = (address: string): string =>
  address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address

/** Maximum number of addresses that are read from a header. */
const maxProxies = 32

/**
 * The address of the client behind a trusted proxy: the last address of `X-Forwarded-For`, which the proxy itself added, or
 * in a chain of proxies the last address that is not a trusted proxy. The client could have forged the addresses before it.
 */
export const clientAddress = (
  peer: string,
  forwardedFor: string | undefined,
  { allowsChain, includes }: TrustedProxies
): string => {
  let client = peer
  const named = (forwardedFor ?? "").split(",").slice(-maxProxies)
  while (includes(client)) {
    const next = parseAddress(named.pop() ?? "")
    if (next === undefined) return client
    client = next
    if (!allowsChain) return client
  }
  return client
}

/** A path whose segments need no encoding, without a slash at its end. */
const plainPrefix = /^(?:\/[\w.~-]+)+$/

/** The beginning of the path that a trusted proxy removed, from `X-Forwarded-Prefix`. Empty if there is none. */
export const removedPrefix = (
  peer: string,
  forwardedPrefix: string | undefined,
  trusted: TrustedProxies | undefined
): string => {
  const prefix = forwardedPrefix?.trim().replace(/\/$/, "") ?? ""
  return trusted?.includes(peer) === true && plainPrefix.test(prefix) ? prefix : ""
}

/** Parses an address, which some proxies write with a port. */
const parseAddress = (written: string): string | undefined => {
  const text = written.trim()
  const address = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  return isIP(address) === 0 ? undefined : normalizeAddress(address)
}

/** The last value of a list header, which the nearest proxy wrote. */
export const lastValue = (header: string | undefined): string | undefined => header?.split(",").at(-1)?.trim()
