/** Card text in answers to agents, overlapping tokens, and outputs that scripts capture. */
const visibleText = "src/domain/displayText.ts"
const words = "src/mcp/AgentText.ts"
const cardAnswer = "src/mcp/AgentText.ts"
const workerNames = "src/services/access/AccessRole.ts"
const accessTokens = "src/services/access/AccessTokens.ts"
const workerRules = "src/http/access/workerRules.ts"
const refusal = "src/mcp/refusal.ts"

const answers = ["test/security/agentAnswers.test.ts"]
const holders = ["test/security/tokenHolders.test.ts"]
const captured = ["test/security/capturedOutput.test.ts"]
const commands = ["test/security/agentCommands.test.ts"]
const tools = ["test/mcp/tools.test.ts"]

const mutations = [
  // Card text
  {
    name: "text in a sentence is quoted",
    file: words,
    find: "? quote(value) : String(value)",
    replace: "? value : String(value)",
    tests: answers
  },
  {
    name: "each line of a frame begins with a bar",
    file: words,
    find: '(line === "" ? bar : `${bar} ${line}`)',
    replace: '(line === "" ? bar : line)',
    tests: answers
  },
  {
    name: "hidden characters in a frame are escapes",
    file: words,
    find: "    escapeHidden(text)\n",
    replace: "    text\n",
    also: [
      { find: "import { escapeHidden, escapeHiddenInJson, quote }", replace: "import { escapeHiddenInJson, quote }" }
    ],
    tests: answers
  },
  {
    name: "a sentence of another module is one line without hidden characters",
    file: words,
    find: "new AgentText(escapeHiddenInJson(text))",
    replace: "new AgentText(text)",
    tests: answers
  },
  {
    name: "hidden characters in quoted text are escapes",
    file: visibleText,
    find: "escapeHiddenInJson(JSON.stringify(text))",
    replace: "JSON.stringify(text)",
    tests: answers
  },
  {
    name: "variation selectors and fillers are hidden characters",
    file: visibleText,
    find: "[\\p{C}\\p{Zl}\\p{Zp}\\p{DI}]|(?<=",
    replace: "[\\p{C}\\p{Zl}\\p{Zp}]|(?<=",
    tests: answers
  },
  {
    name: "line separators are hidden characters in quoted text",
    file: visibleText,
    find: "[\\p{C}\\p{Zl}\\p{Zp}\\p{DI}]|(?<=",
    replace: "[\\p{C}\\p{DI}]|(?<=",
    tests: answers
  },
  {
    name: "line separators are hidden characters in a frame",
    file: visibleText,
    find: "|[\\p{Zl}\\p{Zp}\\p{DI}]|^",
    replace: "|[\\p{DI}]|^",
    tests: answers
  },
  {
    name: "a combining mark does not change the quotation mark before it",
    file: visibleText,
    find: '|(?<=")\\p{M}+/gu',
    replace: "/gu",
    tests: answers
  },
  {
    name: "a combining mark does not change the bar before it",
    file: visibleText,
    find: "|^\\p{M}+|<",
    replace: "|<",
    tests: answers
  },
  {
    name: "text that looks like an escape is escaped",
    file: visibleText,
    find: "|<(?=U\\+)/gmu",
    replace: "/gmu",
    tests: answers
  },
  {
    name: "the problem of an invalid input is in a frame",
    file: refusal,
    find: "lines(agentText`Invalid input:`, frame(problem), agentText`Nothing was done.`)",
    replace: "lines(agentText`Invalid input:`, fixedText(problem), agentText`Nothing was done.`)",
    tests: tools
  },
  {
    name: "a body that looks like an empty list is shown",
    file: cardAnswer,
    find: '(part === "dependsOn" && card.dependsOn.length === 0)',
    replace: 'text === "[]"',
    tests: tools
  },
  {
    name: "tool descriptions name the data",
    file: "src/mcp/AgentTool.ts",
    find: "showsCardText ? `${description} ${textIsDataNote}` : description",
    replace: "showsCardText ? description : `${description} ${textIsDataNote}`",
    tests: answers
  },
  {
    name: "the instructions name the data",
    file: "src/mcp/protocol.ts",
    find: "You can read everything and change nothing. ${textInstructions}`",
    replace: "You can read everything and change nothing.`",
    tests: answers
  },
  {
    name: "a worker's command reads JSON without hidden characters",
    file: "src/cli/shellHandler.ts",
    find: "${escapeHiddenInJson(encodeCard(card))}",
    replace: "${encodeCard(card)}",
    tests: commands
  },
  // Overlapping tokens
  {
    name: "no token is created below a worker's name",
    file: workerNames,
    find: '(other.role === "worker" && isUnder(one.actor, other.actor))',
    replace: "false",
    tests: holders
  },
  {
    name: "no worker's token is created above another name",
    file: workerNames,
    find: '(one.role === "worker" && isUnder(other.actor, one.actor)) ||\n  ',
    replace: "",
    tests: holders
  },
  {
    name: "an orchestrator can be above other names",
    file: workerNames,
    find: '(one.role === "worker" && isUnder(other.actor, one.actor))',
    replace: "isUnder(other.actor, one.actor)",
    also: [
      {
        find: '(other.role === "worker" && isUnder(one.actor, other.actor))',
        replace: "isUnder(one.actor, other.actor)"
      }
    ],
    tests: holders
  },
  {
    name: "overlapping tokens are not created concurrently",
    file: accessTokens,
    find: "        yield* sql`LOCK TABLE ${table} IN SHARE UPDATE EXCLUSIVE MODE`\n",
    replace: "",
    tests: holders
  },
  {
    name: "only valid tokens reserve a name",
    file: accessTokens,
    find: "SELECT id, actor, role FROM ${table} WHERE ${validCondition()} ORDER",
    replace: "SELECT id, actor, role FROM ${table} ORDER",
    tests: holders
  },
  {
    name: "a worker cannot act for another holder",
    file: workerNames,
    find: "owner === other || isUnder(owner, other)",
    replace: "isUnder(owner, other)",
    tests: holders
  },
  {
    name: "a worker cannot act for names below another holder's name",
    file: workerNames,
    find: "owner === other || isUnder(owner, other)",
    replace: "owner === other",
    tests: holders
  },
  {
    name: "the server knows the holders below a worker's name",
    file: "src/http/access/guard.ts",
    find: 'token.role === "worker" ? yield* tokens.holdersUnder(token.actor) : []',
    replace: 'token.role === "auditor" ? yield* tokens.holdersUnder(token.actor) : []',
    tests: holders
  },
  {
    name: "a worker cannot claim for another holder",
    file: workerRules,
    find: "owner === undefined || actsFor(actor, reservedNames, owner)",
    replace: "owner === undefined || actsFor(actor, [], owner)",
    tests: holders
  },
  {
    name: "a worker cannot end another holder's claim",
    file: workerRules,
    find: "owner === undefined || !actsFor(actor, reservedNames, owner)",
    replace: "owner === undefined || !actsFor(actor, [], owner)",
    tests: holders
  },
  {
    name: "an agent cannot claim for another holder",
    file: "src/mcp/Agent.ts",
    find: "!actsFor(actor, reservedNames, owner)",
    replace: "!actsFor(actor, [], owner)",
    tests: holders
  },
  {
    name: "an agent cannot end another holder's claim",
    file: "src/mcp/Agent.ts",
    find: "workerRules(owner, reservedNames, ownerOf)",
    replace: "workerRules(owner, reservedNames.slice(0, 0), ownerOf)",
    tests: holders
  },
  {
    name: "the doctor reports overlapping tokens",
    file: workerNames,
    find: "workers.has(worker) ? { holder, worker } : []",
    replace: "workers.has(holder.actor) && workers.has(worker) ? { holder, worker } : []",
    tests: holders
  },
  // Outputs
  {
    name: "the output of token create is only the token",
    file: "src/cli/commands/token.ts",
    find: "(style) => style.bold(shown)",
    replace: "(style) => `${style.bold(shown)}\\n${token.id}`",
    tests: captured
  }
]

export const agentMutations = mutations.map((mutation) => ({
  ...mutation,
  name: `agents: ${mutation.name}`,
  startsPrograms: false
}))
