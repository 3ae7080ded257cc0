-- Deposits. The arguments say how many seconds a caller waits for the outcome (0: none), and over how many accounts they go.
-- Without arguments: GET.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  outcomes, accepted, failed, sent = 0, 0, 0, 0
  if not args[1] then
    get = wrk.format()
    return
  end
  accounts = tonumber(args[2])
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  if args[1] ~= "0" then
    wrk.headers["Prefer"] = "wait=" .. args[1]
  end
end

function request()
  if get then
    return get
  end
  sent = sent + 1
  local body = '{"type":"deposit","account":"path-%d","amount":100,"currency":"EUR"}'
  return wrk.format(nil, nil, nil, body:format(sent % accounts))
end

function response(status)
  if status == 200 then
    outcomes = outcomes + 1
  elseif status == 202 then
    accepted = accepted + 1
  else
    failed = failed + 1
  end
end

-- What wrk itself counts as failed has no answer.
function done(summary, latency, requests)
  local totals = { outcomes = 0, accepted = 0, failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout }
  for _, thread in ipairs(threads) do
    for name, total in pairs(totals) do
      totals[name] = total + thread:get(name)
    end
  end
  print(string.format("counted %d %d %d %d %d %d", totals.outcomes, totals.accepted, totals.failed,
    latency:percentile(50), latency:percentile(99), summary.duration))
end
