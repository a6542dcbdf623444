/** An environment variable that the program reads, as docs/configuration.md describes it. */
interface EnvironmentVariableDescription {
  /** What it does, with its unit. */
  readonly meaning: string
  /** The value that applies without it. */
  readonly byDefault: string
  /** The commands that read it. */
  readonly readBy: string
}

const otlp = "`serve`"

const endpoint = (signal: string) => ({
  meaning: `URL to which ${signal} are sent by OTLP over HTTP, with the path`,
  byDefault: "`OTEL_EXPORTER_OTLP_ENDPOINT`",
  readBy: otlp
})

const exporter = (signal: string) => ({
  meaning: `\`none\` turns off the export of ${signal}`,
  byDefault: "`otlp`",
  readBy: otlp
})

/**
 * The environment variables that the program reads, except for those of libpq, which `supportedSettings` in
 * `services/postgres/connectionSettings.ts` lists. An empty variable counts as not set.
 */
export const environmentVariables = {
  BACKLOG_DATABASE_URL: {
    meaning: "The backlog: a `postgres://` URL, a directory, or the `https://` URL of a served backlog",
    byDefault: "`DATABASE_URL`",
    readBy: "every command; `--db` overrides it"
  },
  DATABASE_URL: {
    meaning: "The backlog: a `postgres://` URL or a directory",
    byDefault: "the nearest `.backlog` in the current directory or above it",
    readBy: "every command; `--db` and `BACKLOG_DATABASE_URL` override it"
  },
  BACKLOG_TOKEN: {
    meaning: "The access token that is sent to a served backlog",
    byDefault: "no token",
    readBy: "every command over a served backlog"
  },
  BACKLOG_SCHEMA: {
    meaning: "The Postgres schema of the backlog",
    byDefault: "`backlog`",
    readBy: "every command that uses a database; `--schema` overrides it"
  },
  BACKLOG_ACTOR: {
    meaning: "The actor of the events",
    byDefault: "the holder of `BACKLOG_TOKEN`, then the operating-system user",
    readBy: "every command that changes something; `--actor` overrides it"
  },
  BACKLOG_ID_PREFIX: {
    meaning: "The beginning of generated ids, at most 100 characters",
    byDefault: "no prefix",
    readBy: "every command that uses a database"
  },
  BACKLOG_BATCH_TIMEOUT: {
    meaning: "How long a server may leave a batch of commands without an answer, in seconds, 1 to 86,400",
    byDefault: "30 seconds",
    readBy: "every command that uses a server"
  },
  BACKLOG_ANSWER_TIMEOUT: {
    meaning: "How long a server may leave any other statement without an answer, in seconds, 1 to 86,400",
    byDefault: "300 seconds",
    readBy: "every command that uses a server"
  },
  BACKLOG_PREPARE: {
    meaning: "`off` turns named prepared statements off, for a pooler that loses them",
    byDefault: "`on`",
    readBy: "every command that uses a server"
  },
  BACKLOG_DEBUG: {
    meaning: "`1` prints the cause of an error to standard error, without secrets",
    byDefault: "off",
    readBy: "every command"
  },
  NO_COLOR: {
    meaning: "Any value turns colors off",
    byDefault: "colors on a terminal",
    readBy: "every command"
  },
  TERM: {
    meaning: "`dumb` turns colors off",
    byDefault: "colors on a terminal",
    readBy: "every command"
  },
  XDG_RUNTIME_DIR: {
    meaning:
      "A directory for the socket of an embedded database, if neither its own directory nor the temporary one fits",
    byDefault: "no such directory",
    readBy: "every command that uses a directory, and `layerPglite`"
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    meaning: "URL to which traces, logs and metrics are sent by OTLP over HTTP, without the paths of the signals",
    byDefault: "nothing is exported",
    readBy: otlp
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint("traces"),
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: endpoint("logs"),
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: endpoint("metrics"),
  OTEL_EXPORTER_OTLP_PROTOCOL: {
    meaning: "`http/protobuf` or `http/json`",
    byDefault: "`http/protobuf`",
    readBy: otlp
  },
  OTEL_TRACES_EXPORTER: exporter("traces"),
  OTEL_LOGS_EXPORTER: exporter("logs"),
  OTEL_METRICS_EXPORTER: exporter("metrics"),
  OTEL_METRIC_EXPORT_INTERVAL: {
    meaning: "The interval of the export of metrics, in milliseconds",
    byDefault: "60,000 milliseconds",
    readBy: otlp
  },
  OTEL_SERVICE_NAME: {
    meaning: "The name of the service in traces, logs and metrics",
    byDefault: "`mosaic-backlog`",
    readBy: otlp
  },
  OTEL_SDK_DISABLED: {
    meaning: "`true` turns the export off",
    byDefault: "`false`",
    readBy: otlp
  }
} as const satisfies Readonly<Record<string, EnvironmentVariableDescription>>

/** The name of an environment variable that the program reads. */
export type EnvironmentVariable = keyof typeof environmentVariables

/** Reads an environment variable. Returns `undefined` for an empty one, which counts as not set. */
export const readVariable = (
  env: Readonly<Record<string, string | undefined>>,
  name: EnvironmentVariable
): string | undefined => env[name] || undefined

/**
 * The environment variables that `work --exec` sets for its command, in addition to those that select the same backlog and
 * actor.
 */
export const cardVariables = {
  BACKLOG_CARD_ID: "The id of the card",
  BACKLOG_CARD_TITLE: "Its title",
  BACKLOG_CARD_PHASE: "Its phase; empty without one",
  BACKLOG_CARD_LABELS: "Its labels, one on each line",
  BACKLOG_CARD_PRIORITY: "Its priority",
  BACKLOG_ATTEMPT: "The number of the attempt, from 1",
  BACKLOG_OWNER: "The owner of the claim",
  BACKLOG_CLAIM_TOKEN: "The token of the claim"
} as const
