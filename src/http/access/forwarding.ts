import { Result } from "effect"
import { BlockList, isIP } from "node:net"

/** Which proxies a server believes: `true` for one on this machine, or the addresses and networks of several. */
export type TrustProxy = boolean | ReadonlyArray<string>

/** Proxies whose headers say who the client is. */
export interface TrustedProxies {
  readonly includes: (address: string) => boolean
  /** Whether a proxy that is named in the header is believed in turn, as where several are in a row. */
  readonly allowsChain: boolean
}

/** Headers by which proxies, load balancers and tunnels say for whom they ask. */
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

/** How the names of others begin. */
const forwardingPrefixes = ["x-forwarded", "x-azure-", "x-amzn-", "x-appengine-"]

/** The name of a header that a proxy adds; `undefined` when there is none. */
export const findForwardingHeader = (headers: Readonly<Record<string, unknown>>): string | undefined => {
  for (const given in headers) {
    // Some servers behind a proxy read both spellings as one.
    const name = given.replaceAll("_", "-")
    if (forwardingHeaders.has(name) || forwardingPrefixes.some((prefix) => name.startsWith(prefix))) return name
  }
  return undefined
}

/** The proxies that are trusted; none when absent. Fails with the first address that is none. */
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
  // A network of all addresses would believe every client.
  if (bits < 1 || bits > (version === 6 ? 128 : 32)) return false
  list.addSubnet(address, bits, family)
  return true
}

/** An address of a socket; one of IPv4 on a socket of both families as IPv4. */
export const normalizeAddress = (address: string): string =>
  address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address

/** Addresses that are read of one header. */
const maxProxies = 32

/**
 * The address of the client for whom a trusted proxy asks: the last one of `X-Forwarded-For`, which the proxy added
 * itself, or where proxies are in a row, the last one that is no proxy. What comes before it is the client's own claim.
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

/** An address that may have a port, as some proxies write it. */
const parseAddress = (written: string): string | undefined => {
  const text = written.trim()
  const address = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  return isIP(address) === 0 ? undefined : normalizeAddress(address)
}

/** The last of what proxies wrote into a header, which the nearest one wrote. */
export const lastValue = (header: string | undefined): string | undefined => header?.split(",").at(-1)?.trim()
