import { Client } from "pg"

/** Uses a connection to a server, and ends it. */
export const withConnection = async (url, use) => {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}
