/** A small release: what has to be done, how urgent it is, and what waits for what. Four cards can be taken at once. */
export const releasePlan = [
  { id: "design", title: "Write down what the release is for", priority: 5, phase: "plan" },
  { id: "schema", title: "Lay out the tables", priority: 4, phase: "build", dependsOn: ["design"] },
  { id: "api", title: "Serve the API", priority: 4, phase: "build", dependsOn: ["schema"] },
  { id: "client", title: "Write the client", priority: 3, phase: "build", dependsOn: ["api"] },
  { id: "docs", title: "Write the manual", priority: 1, phase: "publish", dependsOn: ["design"] },
  { id: "load-test", title: "Try it under load", priority: 2, phase: "prove", dependsOn: ["api", "machines"] },
  { id: "security", title: "Try to break in", priority: 2, phase: "prove", dependsOn: ["api"] },
  { id: "machines", title: "Order the machines", priority: 2, phase: "build" },
  { id: "licence", title: "Choose a licence", priority: 0, phase: "plan" },
  { id: "logo", title: "Draw a logo", priority: -1, phase: "publish" },
  { id: "announce", title: "Tell the world", priority: 0, phase: "publish", dependsOn: ["docs", "logo"] },
  {
    id: "release",
    title: "Release",
    priority: 5,
    phase: "publish",
    dependsOn: ["client", "load-test", "security", "docs", "licence"]
  }
] as const
