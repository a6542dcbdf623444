-- Claims cards, and prints how many answers are a card as one line of JSON.

local requests = {}
local threads = {}
local turn = 0

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  answers = 0
  claims = 0
  for worker = 1, 10 do
    local name = "worker-" .. worker
    local body = '{"owner":"' .. name .. '","actor":"' .. name .. '"}'
    requests[worker] = wrk.format("POST", "/claim", { ["Content-Type"] = "application/json" }, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function response(status, headers, body)
  answers = answers + 1
  if status == 200 and body:find('"claimToken":', 1, true) then claims = claims + 1 end
end

function done(summary, latency, all)
  local answered, claimed = 0, 0
  for _, thread in ipairs(threads) do
    answered = answered + thread:get("answers")
    claimed = claimed + thread:get("claims")
  end
  local failed = summary.errors
  io.write(string.format('{"answers":%d,"claims":%d,"errors":%d,"milliseconds":%.3f}\n', answered, claimed,
    failed.connect + failed.read + failed.write + failed.timeout, summary.duration / 1000))
end
