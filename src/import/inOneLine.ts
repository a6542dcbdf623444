import { truncateMessage } from "../domain/displayText.ts"

/** A schema's complaint without its line breaks: `must not be empty at ["title"]`. */
export const inOneLine = (complaint: string): string => truncateMessage(complaint.replace(/\s+/g, " "))
