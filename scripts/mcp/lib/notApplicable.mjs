/**
 * Checks of the conformance suites that this server cannot pass, with the reason. The suites are written for a reference server
 * with tools, prompts and resources of its own.
 */
export const notApplicable = [
  {
    reason: "needs a tool of the suite's reference server, which a backlog does not have",
    checks:
      /^(tools-call-(simple-text|image|audio|embedded-resource|mixed-content|error|with-progress)|json-schema-2020-12-tool-found|sep-2575-server-rejects-undeclared-capability|sep-2575-missing-capability-http-400)$/
  },
  {
    reason: "tools ask a client nothing: there is no sampling, no elicitation and no reading of roots",
    checks:
      /^(tools-call-(sampling|elicitation)|elicitation-sep(1034|1330)-general|sep-2575-http-server-no-independent-requests-on-stream|sep-2322-.*)$/
  },
  {
    reason: "the server has no completions, and does not announce them",
    checks: /^completion-complete$/
  },
  {
    reason: "the server sends no logs to clients, and does not announce that",
    checks: /^(logging-set-level|tools-call-with-logging|sep-2575-server-no-log-without-loglevel)$/
  },
  {
    reason: "the server has no resources, and does not announce them",
    checks: /^resources-(read-text|read-binary|templates-read|subscribe|unsubscribe)$/
  },
  {
    reason: "the server has no prompts, and does not announce them",
    checks: /^(prompts-list|prompts-get-.*|sep-2549-prompts-list-caching-hints)$/
  },
  {
    reason: "no parameter of a tool is also sent as a header",
    checks:
      /^sep-2243-server-(no-xmcp-tool|decode-base64|validate-param-match|reject-invalid-param-chars|reject-param-mismatch)$/
  },
  {
    reason:
      "the check of 0.1 names revision 2025-03-26 in a session of 2025-11-25, which the protocol refuses. 0.2 has corrected it, and passes",
    checks: /^server-accepts-multiple-post-streams$/
  }
]
