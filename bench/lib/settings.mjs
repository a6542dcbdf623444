/** Durable, like a production server, with the buffers of a small one. All other settings are Postgres's defaults. */
export const settings = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "512MB",
  max_wal_size: "4GB",
  max_connections: 200
}
