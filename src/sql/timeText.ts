/**
 * A column's time as text, as SQL: as the log writes times, ISO-8601 in UTC with milliseconds, for every time that is
 * a whole number of them in the years 1 to 9999. Any other, which somebody else must have written, looks different.
 */
export const timeText = (column: string): string => {
  const utc = `${column} AT TIME ZONE 'UTC'`
  return `CASE WHEN NOT (isfinite(${column}) AND extract(year FROM ${utc}) BETWEEN 1 AND 9999) THEN ${column}::text
    WHEN ${column} = date_trunc('milliseconds', ${column}) THEN to_char(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    ELSE to_char(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END`
}
