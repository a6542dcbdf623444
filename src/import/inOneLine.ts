import { shortened } from "../domain/shortened.ts"

/** A schema's complaint without its line breaks: `must not be empty at ["title"]`. */
export const describeSchemaError = (complaint: string): string => shortened(complaint.replace(/\s+/g, " "))
