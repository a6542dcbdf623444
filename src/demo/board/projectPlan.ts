import type { NewCardInput } from "../../index.ts"

/** A card of the plan. */
type PlannedCard = NewCardInput & { readonly id: string }

/**
 * The plan of the demonstration: a team builds a service that tracks parcels. In phases, with dependencies across them, and with
 * one card that is blocked at the start.
 */
export const projectPlan: ReadonlyArray<PlannedCard> = [
  {
    id: "interviews",
    title: "Interview ten shops about lost parcels",
    body: "Ask what they do today when a customer says that a parcel did not arrive.",
    phase: "discovery",
    priority: 5,
    labels: ["research"]
  },
  {
    id: "carriers",
    title: "List the carriers and their interfaces",
    phase: "discovery",
    priority: 4,
    labels: ["research"]
  },
  {
    id: "data-protection",
    title: "Clarify which addresses may be stored",
    phase: "discovery",
    priority: 3,
    labels: ["research", "legal"]
  },
  {
    id: "scope",
    title: "Decide what the first version does",
    phase: "discovery",
    priority: 5,
    dependsOn: ["interviews", "carriers"],
    labels: ["decision"]
  },
  {
    id: "status-model",
    title: "Define the states of a parcel",
    body: "Announced, in transit, out for delivery, delivered, returned, lost. Say which changes are possible.",
    phase: "design",
    priority: 5,
    dependsOn: ["scope"],
    labels: ["backend", "decision"]
  },
  {
    id: "screens",
    title: "Draw the three screens",
    phase: "design",
    priority: 4,
    dependsOn: ["scope"],
    labels: ["frontend"]
  },
  {
    id: "api-contract",
    title: "Write the API contract",
    phase: "design",
    priority: 4,
    dependsOn: ["status-model"],
    labels: ["backend", "frontend"]
  },
  {
    id: "design-review",
    title: "Review the design",
    phase: "design",
    priority: 3,
    dependsOn: ["screens", "api-contract"]
  },
  {
    id: "repository",
    title: "Set up the repository and the pipeline",
    phase: "build",
    priority: 4,
    labels: ["infrastructure"]
  },
  {
    id: "parcel-store",
    title: "Store parcels and their events",
    phase: "build",
    priority: 4,
    dependsOn: ["status-model", "repository"],
    labels: ["backend"],
    acceptance: ["Events are never overwritten", "A parcel is found by its number in 10 ms"]
  },
  {
    id: "carrier-north",
    title: "Read events from Carrier North",
    phase: "build",
    priority: 3,
    dependsOn: ["parcel-store"],
    labels: ["backend", "carrier"]
  },
  {
    id: "carrier-alpine",
    title: "Read events from Alpine Post",
    body: "They send XML over FTP once an hour.",
    phase: "build",
    priority: 2,
    dependsOn: ["parcel-store"],
    labels: ["backend", "carrier"]
  },
  {
    id: "carrier-harbour",
    title: "Read events from Harbour Freight",
    phase: "build",
    priority: 1,
    dependsOn: ["parcel-store"],
    labels: ["backend", "carrier"]
  },
  {
    id: "search-api",
    title: "Search parcels by number, name and town",
    phase: "build",
    priority: 3,
    dependsOn: ["parcel-store", "api-contract"],
    labels: ["backend"]
  },
  {
    id: "overview-page",
    title: "Build the overview page",
    phase: "build",
    priority: 3,
    dependsOn: ["screens", "search-api"],
    labels: ["frontend"]
  },
  {
    id: "parcel-page",
    title: "Build the page of a parcel",
    phase: "build",
    priority: 3,
    dependsOn: ["screens", "search-api"],
    labels: ["frontend"]
  },
  {
    id: "notifications",
    title: "Notify customers of delays",
    phase: "build",
    priority: 2,
    dependsOn: ["carrier-north"],
    labels: ["backend"]
  },
  {
    id: "mail-templates",
    title: "Write the texts of the notifications",
    phase: "build",
    priority: 1,
    dependsOn: ["scope"],
    labels: ["content"]
  },
  {
    id: "sign-in",
    title: "Let shops sign in",
    phase: "build",
    priority: 4,
    dependsOn: ["repository", "data-protection"],
    labels: ["backend", "security"]
  },
  {
    id: "staging",
    title: "Run a staging system",
    phase: "build",
    priority: 2,
    dependsOn: ["repository"],
    labels: ["infrastructure"]
  },
  {
    id: "load-test",
    title: "Track 100,000 parcels on the staging system",
    phase: "verify",
    priority: 3,
    dependsOn: ["staging", "search-api"],
    labels: ["quality"]
  },
  {
    id: "penetration-test",
    title: "Try to read the parcels of another shop",
    phase: "verify",
    priority: 4,
    dependsOn: ["sign-in", "parcel-page"],
    labels: ["quality", "security"]
  },
  {
    id: "accessibility",
    title: "Use every page with the keyboard and a screen reader",
    phase: "verify",
    priority: 2,
    dependsOn: ["overview-page", "parcel-page"],
    labels: ["quality", "frontend"]
  },
  {
    id: "pilot",
    title: "Run a pilot with two shops",
    phase: "verify",
    priority: 4,
    dependsOn: ["overview-page", "carrier-north", "sign-in"],
    labels: ["quality"]
  },
  {
    id: "hosting-contract",
    title: "Sign the hosting contract",
    phase: "launch",
    priority: 2,
    status: "blocked",
    blockedReason: "Waits for the signature of the finance department.",
    labels: ["legal"]
  },
  {
    id: "manual",
    title: "Write the manual for shops",
    phase: "launch",
    priority: 1,
    dependsOn: ["overview-page"],
    labels: ["content"]
  },
  {
    id: "pricing",
    title: "Decide the price",
    phase: "launch",
    priority: 1,
    dependsOn: ["interviews"],
    labels: ["decision"]
  },
  {
    id: "launch",
    title: "Open the service to all shops",
    phase: "launch",
    priority: 5,
    dependsOn: ["pilot", "load-test", "penetration-test", "accessibility", "manual", "pricing", "hosting-contract"]
  }
]

/** A later request of the users of the service, from which a card is made. */
interface Request {
  readonly title: string
  readonly phase: string
  readonly labels: ReadonlyArray<string>
}

const places = [
  ["the overview page", "frontend"],
  ["the page of a parcel", "frontend"],
  ["the search", "backend"],
  ["the import from Alpine Post", "carrier"],
  ["the import from Harbour Freight", "carrier"],
  ["the notifications", "backend"],
  ["the sign-in", "security"],
  ["the manual", "content"]
] as const

const requests = [
  ["Fix a typing error in", "bug"],
  ["Find out why there is a delay in", "bug"],
  ["Show the carrier's own number in", "feature"],
  ["Handle a missing postcode in", "bug"],
  ["Measure how often people use", "feature"],
  ["Write a regression test for", "quality"],
  ["Shorten the texts of", "content"],
  ["Support returned parcels in", "feature"]
] as const

/** A request by its number, 0 or more. They repeat after 64 requests. */
export const requestOf = (number: number): Request => {
  const [what, kind] = requests[(number + Math.floor(number / requests.length)) % requests.length] ?? requests[0]
  const [where, area] = places[number % places.length] ?? places[0]
  return {
    title: `${what} ${where}`,
    phase: kind === "quality" ? "verify" : "build",
    labels: [...new Set([area, kind])]
  }
}
