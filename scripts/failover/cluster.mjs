// Three nodes of Patroni with their Postgres servers, etcd and HAProxy, on the loopback interface.
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { accessSync, chmodSync, chownSync, constants, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { processTree, freePorts, kill, signal, start, until } from "./processes.mjs"

const binaries = "/usr/lib/postgresql/15/bin"

/** Each program with its Debian package. */
const needed = [
  ["/usr/bin/patroni", "patroni"],
  ["/usr/bin/etcd", "etcd-server"],
  ["/usr/sbin/haproxy", "haproxy"],
  [`${binaries}/postgres`, "postgresql-15"]
]

/** Returns why this machine cannot run a cluster, or `undefined`. */
export const findMissingRequirement = () => {
  if (process.platform !== "linux") return "it needs Linux and Debian's packages"
  const missing = needed.filter(([program]) => {
    try {
      accessSync(program, constants.X_OK)
      return false
    } catch {
      return true
    }
  })
  if (missing.length > 0) return `Debian's ${missing.map(([, name]) => name).join(", ")} must be installed`
  return undefined
}

/** Postgres and Patroni refuse root. */
const userOfServers = () => {
  if (process.getuid() !== 0) return undefined
  const account = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .find(([name]) => name === "postgres")
  return { uid: Number(account[2]), gid: Number(account[3]) }
}

const template = (name) => readFileSync(join(import.meta.dirname, name), "utf8")

/** Adapts a configuration to this machine. Throws when it does not contain a text that is to be replaced. */
const adapt = (text, replacements) =>
  replacements.reduce((adapted, [from, to]) => {
    if (!adapted.includes(from)) throw new Error(`the configuration does not contain ${JSON.stringify(from)}`)
    return adapted.replaceAll(from, to)
  }, text)

/** How long the cluster may take for a change of roles, in milliseconds. */
const clusterTimeout = 180_000

/** Starts a cluster in a directory and waits until it is healthy. */
export const startCluster = async (directory) => {
  const user = userOfServers()
  const folder = (...names) => {
    const path = join(directory, ...names)
    mkdirSync(path, { recursive: true, mode: 0o755 })
    if (user !== undefined) chownSync(path, user.uid, user.gid)
    return path
  }
  chmodSync(directory, 0o755)
  const passwords = Object.fromEntries(
    ["SUPERUSER", "REPLICATION", "WRITER"].map((name) => [`${name}_PASSWORD`, randomBytes(12).toString("hex")])
  )
  const [etcdPort, peerPort, proxyPort, ...rest] = await freePorts(9)
  const nodes = ["node1", "node2", "node3"].map((name, index) => ({
    name,
    address: `10.0.0.${index + 1}`,
    port: rest[index],
    restPort: rest[index + 3],
    dataDir: join(directory, name, "data")
  }))

  const peer = `http://127.0.0.1:${peerPort}`
  const client = `http://127.0.0.1:${etcdPort}`
  start(
    "/usr/bin/etcd",
    [
      "--enable-v2",
      "--name=etcd1",
      `--data-dir=${join(folder("etcd"), "data")}`,
      `--initial-cluster=etcd1=${peer}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`
    ],
    // etcd 3.4 and newer requires this on some processors.
    { user, log: join(directory, "etcd.log"), env: { ETCD_UNSUPPORTED_ARCH: process.arch } }
  )

  const startNode = (node) => {
    const file = join(folder(node.name), "patroni.yml")
    writeFileSync(
      file,
      adapt(template("patroni.yml"), [
        ["name: node1", `name: ${node.name}`],
        ["10.0.0.1:8008", `127.0.0.1:${node.restPort}`],
        ["10.0.0.1:5432", `127.0.0.1:${node.port}`],
        ["10.0.0.11:2379,10.0.0.12:2379,10.0.0.13:2379", `127.0.0.1:${etcdPort}`],
        ["/var/lib/postgresql/15/backlog", node.dataDir],
        ["/var/lib/postgresql/backlog.pgpass", join(directory, node.name, "pgpass")],
        ["10.0.0.0/24", "127.0.0.1/32"],
        ["  parameters:\n", "  parameters:\n        shared_buffers: 32MB\n"],
        ["  authentication:\n", `  parameters:\n    unix_socket_directories: ""\n  authentication:\n`],
        ["SUPERUSER_PASSWORD", passwords.SUPERUSER_PASSWORD],
        ["REPLICATION_PASSWORD", passwords.REPLICATION_PASSWORD]
      ])
    )
    node.patroni = start("/usr/bin/patroni", [file], { user, log: join(directory, `${node.name}.log`) })
  }
  for (const node of nodes) startNode(node)

  const proxyFile = join(directory, "haproxy.cfg")
  writeFileSync(
    proxyFile,
    adapt(template("haproxy.cfg"), [
      ["10.0.0.20:5000", `127.0.0.1:${proxyPort}`],
      ...nodes.map(({ address, port, restPort }) => [
        `${address}:5432 check port 8008`,
        `127.0.0.1:${port} check port ${restPort}`
      ])
    ])
  )
  start("/usr/sbin/haproxy", ["-db", "-f", proxyFile], { user, log: join(directory, "haproxy.log") })

  const members = async () => {
    for (const { restPort } of nodes) {
      try {
        const response = await fetch(`http://127.0.0.1:${restPort}/cluster`, { signal: AbortSignal.timeout(2_000) })
        return (await response.json()).members ?? []
      } catch {
        // This node does not run, or is stopped.
      }
    }
    return []
  }
  const byName = (name) => nodes.find((node) => node.name === name)
  const inRole = async (role) => {
    const member = (await members()).find((each) => each.role === role && each.state === "running")
    return member === undefined ? undefined : byName(member.name)
  }

  /** Runs SQL as the superuser on one node. Returns the rows as text, fields separated by tabs. */
  const query = async (node, text, database = "postgres") => {
    const { stdout } = await promisify(execFile)(
      `${binaries}/psql`,
      ["-XAqt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", String(node.port)].concat([
        "-U",
        "postgres",
        "-d",
        database,
        "-c",
        text
      ]),
      {
        maxBuffer: 2 ** 30,
        timeout: 120_000,
        env: { PATH: process.env.PATH, PGPASSWORD: passwords.SUPERUSER_PASSWORD, PGCONNECT_TIMEOUT: "5" }
      }
    )
    return stdout.split("\n").filter((line) => line !== "")
  }

  const isHealthy = async () => {
    const all = await members()
    const count = (...roles) => all.filter(({ role, state }) => roles.includes(role) && state === "running").length
    if (all.length !== 3 || count("leader") !== 1 || count("sync_standby") !== 1 || count("replica") !== 1) return false
    const leader = await inRole("leader")
    const standbys = await query(leader, "SELECT state, sync_state FROM pg_stat_replication ORDER BY 2").catch(() => [])
    return standbys.join() === "streaming\tasync,streaming\tsync"
  }
  const healthy = () => until("three nodes with one synchronous standby", clusterTimeout, isHealthy)

  /**
   * The processes of Patroni and Postgres of a node. A restarted Patroni is not the parent of a server that ran before.
   */
  const processesOf = (node) => [...processTree(node.patroni.pid), ...processTree(postmasterOf(node))]

  await healthy()
  const leader = await inRole("leader")
  for (const statement of adapt(template("role.sql"), [["WRITER_PASSWORD", passwords.WRITER_PASSWORD]]).split(/;\n/)) {
    if (statement.trim() !== "") await query(leader, statement)
  }

  return {
    /** The URL for programs. */
    url: `postgres://backlog_writer:${passwords.WRITER_PASSWORD}@127.0.0.1:${proxyPort}/work`,
    ttlSeconds: Number(/ttl: (\d+)/.exec(template("patroni.yml"))[1]),
    healthy,
    query,
    leader: () => until("a leader", clusterTimeout, () => inRole("leader")),
    synchronousStandby: () => until("a synchronous standby", clusterTimeout, () => inRole("sync_standby")),
    /** Waits until a node other than this one is the leader. */
    leaderOtherThan: (node) =>
      until("another leader", clusterTimeout, async () => {
        const found = await inRole("leader")
        return found !== undefined && found !== node ? found : undefined
      }),
    /** Waits until the leader waits for a standby other than this one. */
    synchronousStandbyOtherThan: (node) =>
      until("another synchronous standby", clusterTimeout, async () => {
        const found = await inRole("sync_standby")
        return found !== undefined && found !== node ? found : undefined
      }),
    standbysOf: (node) => nodes.filter((each) => each !== node),
    killNode: (node) => kill([...new Set(processesOf(node).map(({ pid }) => pid))]),
    killPostgres: (node) => kill(processTree(postmasterOf(node)).map(({ pid }) => pid)),
    /** Starts Patroni of a node that was killed, as a service manager does. */
    startNode,
    signalNode: (node, name) => {
      for (const { pid } of processesOf(node)) signal(pid, name)
    },
    /** Signals the server processes of a node whose title contains a word. Returns their ids. */
    signalServerProcesses: (node, title, name) => {
      const pids = processTree(postmasterOf(node))
        .filter(({ command }) => command.includes(title))
        .map(({ pid }) => pid)
      for (const pid of pids) signal(pid, name)
      return pids
    },
    switchover: async (from, to) => {
      const response = await fetch(`http://127.0.0.1:${from.restPort}/switchover`, {
        method: "POST",
        body: JSON.stringify({ leader: from.name, candidate: to.name })
      })
      if (response.status !== 200) throw new Error(`Patroni refused the switchover: ${await response.text()}`)
    },
    /** Ends Postgres servers that outlived their Patroni. Synchronous, for exits. */
    end: () => {
      for (const node of nodes) for (const { pid } of processesOf(node)) signal(pid, "SIGKILL")
    }
  }
}

/**
 * The id of a node's main server process, or -1. The file of a killed server can have an id that the system has reused.
 */
const postmasterOf = ({ dataDir }) => {
  try {
    const pid = Number(readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n")[0])
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(dataDir) ? pid : -1
  } catch {
    return -1
  }
}
