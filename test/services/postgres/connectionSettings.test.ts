import { Result } from "effect"
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { findPassword, readTlsOptions } from "../../../src/services/postgres/connectionFiles.ts"
import {
  type ConnectionSettings,
  parseConnectionSettings,
  formatHosts
} from "../../../src/services/postgres/connectionSettings.ts"
import { describe, expect, inject, test } from "vitest"

const settings = (url: string, env: Record<string, string> = {}): ConnectionSettings =>
  Result.getOrThrow(parseConnectionSettings(url, env))

const problem = (url: string, env: Record<string, string> = {}): string => {
  const result = parseConnectionSettings(url, env)
  return Result.isFailure(result) ? result.failure.problem : `accepted: ${JSON.stringify(result.success)}`
}

const scratch = () => mkdtempSync(join(inject("scratch"), "settings-"))

describe("a URL", () => {
  test("has hosts, ports, user, password and database in its parts or as settings", () => {
    expect(settings("postgres://me:p%40ss@a:1,[::1],c:3/work")).toMatchObject({
      hosts: [
        { host: "a", port: 1 },
        { host: "::1", port: 5432 },
        { host: "c", port: 3 }
      ],
      user: "me",
      password: "p@ss",
      database: "work"
    })
    expect(settings("postgresql:///?host=/run/postgresql&port=6000&user=you&password=p&dbname=d")).toMatchObject({
      hosts: [{ host: "/run/postgresql", port: 6000 }],
      user: "you",
      password: "p",
      database: "d"
    })
    expect(settings("postgres://a,b/?port=7000").hosts.map(({ port }) => port)).toEqual([7000, 7000])
    expect(formatHosts(settings("postgres://me:secret@a:1,[::1]/").hosts)).toBe("a:1,[::1]:5432")
  })

  test("has settings that are applied", () => {
    const found = settings(
      "postgres://h/?target_session_attrs=read-write&load_balance_hosts=random&connect_timeout=7&application_name=me" +
        "&options=-c%20geqo%3Doff&keepalives_idle=30&sslmode=verify-full&sslrootcert=system&channel_binding=prefer"
    )
    expect(found).toMatchObject({
      targetSessionAttrs: "read-write",
      isShuffled: true,
      connectTimeoutSeconds: 7,
      applicationName: "me",
      options: "-c geqo=off",
      keepAlive: 30,
      ssl: { mode: "verify-full", rootCertificate: "system" }
    })
    expect(settings("postgres://h/?connect_timeout=1").connectTimeoutSeconds).toBe(2)
    expect(settings("postgres://h/?keepalives=0").keepAlive).toBe("off")
    expect(settings("postgres://h/?ssl=true").ssl.mode).toBe("require")
    expect(settings("postgres://h/?sslmode=require&sslrootcert=/ca").ssl.mode).toBe("verify-ca")
    expect(settings("postgres://h/?options=-c+search_path%3Dx").options).toBe("-c search_path=x")
  })

  test.each([
    ["?schema=public", 'no connection setting "schema"'],
    ["?pgbouncer=true", 'no connection setting "pgbouncer"'],
    ["?hostaddr=127.0.0.1", "hostaddr is not supported"],
    ["?service=work", "service is not supported"],
    ["?keepalives_count=3", "keepalives_count is not supported"],
    ["?tcp_user_timeout=1", "tcp_user_timeout is not supported"],
    ["?require_auth=scram-sha-256", "require_auth is not supported"],
    ["?target_session_attrs=master", "target_session_attrs takes any, read-write"],
    ["?load_balance_hosts=yes", "load_balance_hosts is"],
    ["?sslmode=prefer", "never up to the server"],
    ["?sslmode=allow", "never up to the server"],
    ["?sslmode=require&sslrootcert=system", "takes sslmode=verify-full"],
    ["?sslcert=/c", "must be given together"],
    ["?channel_binding=require", "no channel binding"],
    ["?gssencmode=require", "no GSSAPI"],
    ["?client_encoding=LATIN1", "client_encoding takes UTF8"],
    ["?connect_timeout=soon", "connect_timeout takes whole seconds"],
    ["?port=0", "port takes ports from 1"],
    ["?port=1,2", "2 ports for 1 hosts"],
    ["?host", "has no value"]
  ])("is refused by name with %s", (query, text) => {
    expect(problem(`postgres://me:secret@h/db${query}`)).toContain(text)
    expect(problem(`postgres://me:secret@h/db${query}`)).not.toContain("secret")
  })

  test("is refused with an unencoded @ in its password, and the error does not repeat the password", () => {
    const text = problem("postgres://me:secr@et@h/db")
    expect(text).toContain("@ is %40")
    expect(text).not.toContain("et@")
  })
})

describe("a variable of libpq", () => {
  test("is the default of a setting that the URL does not have", () => {
    const env = {
      PGHOST: "a,b",
      PGPORT: "1,2",
      PGUSER: "you",
      PGPASSWORD: "p",
      PGDATABASE: "d",
      PGTARGETSESSIONATTRS: "primary",
      PGCONNECT_TIMEOUT: "9",
      PGSSLMODE: "require",
      PGAPPNAME: "app",
      PGOPTIONS: "-c geqo=off",
      PGTZ: "UTC"
    }
    expect(settings("postgres://", env)).toMatchObject({
      hosts: [
        { host: "a", port: 1 },
        { host: "b", port: 2 }
      ],
      user: "you",
      password: "p",
      database: "d",
      targetSessionAttrs: "primary",
      connectTimeoutSeconds: 9,
      applicationName: "app",
      options: "-c geqo=off",
      session: { timezone: "UTC" },
      ssl: { mode: "require" }
    })
    expect(
      settings("postgres://h:5/w?user=me&sslmode=disable", { PGUSER: "you", PGSSLMODE: "require", PGPORT: "7" })
    ).toMatchObject({
      hosts: [{ host: "h", port: 5 }],
      user: "me",
      ssl: { mode: "disable" }
    })
    expect(settings("postgres://h", { PGPORT: "7" }).hosts[0].port).toBe(7)
  })

  test.each([
    ["PGSERVICE", "work", "PGSERVICE is not supported"],
    ["PGHOSTADDR", "127.0.0.1", "PGHOSTADDR is not supported"],
    ["PGREQUIREAUTH", "md5", "PGREQUIREAUTH is not supported"],
    ["PGCHANNELBINDING", "require", "PGCHANNELBINDING is"],
    ["PGSSLMODE", "allow", "PGSSLMODE is"],
    ["PGTARGETSESSIONATTRS", "up", "PGTARGETSESSIONATTRS takes"]
  ])("%s=%s is refused by name", (name, value, text) => {
    expect(problem("postgres://h", { [name]: value })).toContain(text)
  })
})

test("a password file is used by its first matching line, and only if other users cannot read it", () => {
  const file = join(scratch(), "pgpass")
  writeFileSync(file, "# a comment\nother:*:*:*:no\nh:5432:w:me:a\\:b\\\\c\n*:*:*:*:any\n", { mode: 0o600 })
  expect(findPassword(file, { host: "h", port: 5432 }, "w", "me")).toBe("a:b\\c")
  expect(findPassword(file, { host: "h", port: 1 }, "w", "me")).toBe("any")
  chmodSync(file, 0o644)
  expect(() => findPassword(file, { host: "h", port: 1 }, "w", "me")).toThrow("may be read by other users")
  expect(() => findPassword(join(scratch(), "none"), { host: "h", port: 1 }, "w", "me")).toThrow("cannot be read")
})

test("sslmode require encrypts, verify-ca needs an authority, and verify-full also checks the name", () => {
  const tls = (query: string) => readTlsOptions(settings(`postgres://db.example/?${query}`))
  const ca = join(scratch(), "ca.pem")
  writeFileSync(ca, "authority")
  expect(tls("sslmode=disable")).toBe(false)
  expect(tls("sslmode=require")).toMatchObject({ rejectUnauthorized: false })
  expect(() => tls("sslmode=verify-ca")).toThrow("needs sslrootcert")
  expect(() => tls("sslmode=verify-ca&sslrootcert=/none")).toThrow("sslrootcert names a file that cannot be read")
  const named = { subject: { CN: "else.example" }, subjectaltname: "DNS:else.example" } as never
  const ofAuthority = tls(`sslmode=verify-ca&sslrootcert=${ca}`)
  expect(ofAuthority).toMatchObject({ rejectUnauthorized: true, ca: "authority" })
  expect(ofAuthority !== false && ofAuthority.checkServerIdentity?.("x", named)).toBeUndefined()
  const full = tls(`sslmode=verify-full&sslrootcert=${ca}`)
  expect(full !== false && full.checkServerIdentity?.("x", named)).toBeInstanceOf(Error)
})
