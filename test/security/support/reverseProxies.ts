import { Effect } from "effect"
import { execFile, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { textsOn } from "../../docs/support/pages.ts"
import { freePort } from "../../support/postgresServer.ts"
import { until } from "../../support/waiting.ts"

/** The page that configures the proxies. */
export const proxyPage = "docs/operations.md"

/** A proxy's configuration, and the files that it names. */
interface Files {
  readonly folder: string
  readonly certificate: string
  readonly key: string
  /** Both in one file. */
  readonly both: string
}

/** A reverse proxy that the page configures. */
export interface ReverseProxy {
  readonly name: string
  /** The language of its block on the page. */
  readonly language: "nginx" | "caddy" | "haproxy"
  /** Debian's package has the program here. */
  readonly program: string
  readonly flags: (file: string, folder: string) => ReadonlyArray<string>
  /** The page's configuration with the addresses and files of a test. Changes nothing else. */
  readonly adapt: (text: string, port: number, files: Files) => string
  /** Returns the configuration of a whole program. */
  readonly whole: (text: string, folder: string) => string
}

const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]

export const nginx: ReverseProxy = {
  name: "nginx",
  language: "nginx",
  program: "/usr/sbin/nginx",
  flags: (file, folder) => ["-p", folder, "-e", "stderr", "-c", file, "-g", "daemon off; master_process off;"],
  adapt: (text, port, { certificate, key }) =>
    text
      .replace("listen 443", `listen 127.0.0.1:${port}`)
      .replace("/etc/ssl/example.pem", certificate)
      .replace("/etc/ssl/example.key", key),
  whole: (text, folder) =>
    `pid ${folder}/nginx.pid; events {} http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}\n${text}}\n`
}

const caddy: ReverseProxy = {
  name: "Caddy",
  language: "caddy",
  program: "/usr/bin/caddy",
  flags: (file) => ["run", "--adapter", "caddyfile", "--config", file],
  adapt: (text, port, { certificate, key }) =>
    text.replace("example.com {", `https://localhost:${port} {\n  tls ${certificate} ${key}`),
  whole: (text, folder) => `{\n  admin off\n  auto_https off\n  storage file_system ${folder}\n}\n${text}`
}

const haproxy: ReverseProxy = {
  name: "HAProxy",
  language: "haproxy",
  program: "/usr/sbin/haproxy",
  flags: (file) => ["-db", "-f", file],
  adapt: (text, port, { both }) =>
    text.replace("bind :443", `bind 127.0.0.1:${port}`).replace("/etc/ssl/example.pem", both),
  whole: (text) => text
}

/** The proxies that the page configures. */
export const reverseProxies: ReadonlyArray<ReverseProxy> = [nginx, caddy, haproxy]

/** Why a proxy cannot be tested here. `undefined` if it can. */
export const whyMissing = ({ program }: ReverseProxy): string | undefined =>
  existsSync(program) ? undefined : `there is no ${program}`

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "backlog-proxy-"))),
  (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
)

/** Makes a certificate of `localhost`, which no authority signed. */
const makeCertificate = async (folder: string): Promise<Files> => {
  const [certificate, key, both] = ["cert.pem", "key.pem", "both.pem"].map((name) => join(folder, name))
  const files = { folder, certificate: String(certificate), key: String(key), both: String(both) }
  await promisify(execFile)("openssl", [
    ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost".split(" "),
    ..."-addext subjectAltName=DNS:localhost".split(" "),
    "-keyout",
    files.key,
    "-out",
    files.certificate
  ])
  await writeFile(files.both, (await readFile(files.certificate, "utf8")) + (await readFile(files.key, "utf8")))
  return files
}

/** Starts a proxy with a configuration until the scope closes. Returns its port when it accepts connections. */
const startProxy = Effect.fnUntraced(function* (
  proxy: ReverseProxy,
  folder: string,
  configure: (port: number) => string
) {
  const port = yield* Effect.promise(freePort)
  const file = join(folder, "proxy.conf")
  yield* Effect.promise(() => writeFile(file, proxy.whole(configure(port), folder)))
  let written = ""
  let hasEnded = false
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(proxy.program, proxy.flags(file, folder), {
        stdio: ["ignore", "pipe", "pipe"],
        env: { PATH: process.env["PATH"], HOME: folder }
      })
    ),
    (started) => Effect.sync(() => started.kill("SIGKILL"))
  )
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (written += String(text)))
  child.on("exit", () => (hasEnded = true))
  const isUp = Effect.promise(async () => {
    if (hasEnded) throw new Error(`${proxy.name} ended: ${written}`)
    return ["http", "https"].reduce(
      async (before, scheme) =>
        (await before) ||
        (await fetch(`${scheme}://localhost:${port}/`).then(
          () => true,
          () => false
        )),
      Promise.resolve(false)
    )
  })
  yield* until(isUp)
  return port
})

/** Starts nginx with its default settings in front of a port. */
export const startDefaultNginx = Effect.fnUntraced(function* (to: number) {
  return yield* startProxy(
    nginx,
    yield* temporaryFolder,
    (port) => `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${to}; } }`
  )
})

/** Starts a proxy as the page configures it in front of a port. Its certificate is not verified in this process. */
export const startDocumentedProxy = Effect.fnUntraced(function* (proxy: ReverseProxy, to: number) {
  const folder = yield* temporaryFolder
  const files = yield* Effect.promise(() => makeCertificate(folder))
  yield* withoutVerification
  const [text = ""] = textsOn(proxyPage, proxy.language)
  return yield* startProxy(proxy, folder, (port) =>
    proxy.adapt(text, port, files).replaceAll("127.0.0.1:4010", `127.0.0.1:${to}`)
  )
})

const verification = "NODE_TLS_REJECT_UNAUTHORIZED"

/** Turns off the verification of certificates in this process until the scope closes. */
const withoutVerification = Effect.acquireRelease(
  Effect.sync(() => {
    const before = process.env[verification]
    process.env[verification] = "0"
    return before
  }),
  (before) =>
    Effect.sync(() => {
      if (before === undefined) delete process.env[verification]
      else process.env[verification] = before
    })
)
