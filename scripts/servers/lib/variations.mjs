/**
 * Settings of servers, roles and databases. `role` is set with ALTER ROLE, so that every session of the tests has it.
 * `database` is part of the statement that creates the tests' database. `expect` is a text that the refusal must
 * contain.
 */
const role = (name, value) => ({ name: `${name} = ${value}`, role: { [name]: value } })

export const variations = [
  role("jit", "on"),
  role("jit", "off"),
  role("default_transaction_isolation", "serializable"),
  { ...role("default_transaction_read_only", "on"), expect: "default_transaction_read_only is on" },
  role("statement_timeout", "20s"),
  role("lock_timeout", "20s"),
  role("idle_in_transaction_session_timeout", "20s"),
  role("array_nulls", "off"),
  role("DateStyle", "German"),
  role("IntervalStyle", "sql_standard"),
  role("TimeZone", "Asia/Kathmandu"),
  role("bytea_output", "escape"),
  role("extra_float_digits", "-15"),
  role("standard_conforming_strings", "off"),
  { name: "search_path with shadowing tables and functions", role: { search_path: "shadow, public" }, shadow: true },
  {
    name: "search_path with shadowing functions before pg_catalog",
    role: { search_path: "shadow, pg_catalog" },
    shadow: true,
    expect: "puts shadow."
  },
  { name: "search_path empty", role: { search_path: "" } },
  role("row_security", "off"),
  role("work_mem", "64kB"),
  ...["off", "local", "remote_write", "on", "remote_apply"].map((value) => role("synchronous_commit", value)),
  { name: "client_encoding = LATIN1", role: { client_encoding: "LATIN1" } },
  { name: "database with the ICU locale sv-SE", database: "LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE' LOCALE 'C'" },
  { name: "database with the libc locale C", database: "LOCALE_PROVIDER libc LOCALE 'C'" },
  {
    name: "database in SQL_ASCII",
    database: "LOCALE_PROVIDER libc LOCALE 'C' ENCODING 'SQL_ASCII'",
    expect: "has the encoding SQL_ASCII"
  },
  {
    name: "database in LATIN1",
    database: "LOCALE_PROVIDER libc LOCALE 'C' ENCODING 'LATIN1'",
    expect: "has the encoding LATIN1"
  }
]
