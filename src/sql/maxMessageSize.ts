/** Maximum size of a message of a database, in bytes: a value of Postgres has less than 1 GiB. */
export const maxMessageSize = 2 ** 30
