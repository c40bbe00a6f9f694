-- What wrk sends and what it expects. Arguments: way, files of requests (one a thread), status, words of the body.
--   once   each request once, then stop
--   cycle  from the beginning again
--   buy    an order, then its payment, then the next one: one connection a thread, so that an answer has its question
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long s; long ns; } bench_time;
  int clock_gettime(int clock, bench_time *now);
  int kill(int process, int number);
  int getpid(void);
]]

local FILLER = "GET /healthz HTTP/1.1\r\nHost: pay.example.com\r\n\r\n" -- sent when all is sent; its answer is not read
local PAY = "POST /api/orders/%s/pay HTTP/1.1\r\nHost: pay.example.com\r\nAuthorization: %s\r\nContent-Length: 0\r\n\r\n"
local way, want, words
local requests, at = {}, 0
local asked -- wrk asks the first thread for one request before it begins, and does not send it
local order, bearer, began
local clock = ffi.new("bench_time")

-- globals: read by wrk's main thread at the end
id, begun_us = 1, 0
sent, good, bad, first_bad, pairs_us = 0, 0, 0, "", {}

local function now_us()
  ffi.C.clock_gettime(1, clock)
  return tonumber(clock.s) * 1e6 + tonumber(clock.ns) / 1e3
end

local threads = {}
function setup(thread)
  table.insert(threads, thread)
  thread:set("id", #threads)
end

function init(args)
  asked = id ~= 1
  way, want, words = args[1], tonumber(args[3]), args[4]
  local file = assert(io.open(args[2] .. "-" .. id, "rb"))
  local all = file:read("*a")
  file:close()
  local place = 1
  while place <= #all do
    local length = tonumber(all:sub(place, place + 7))
    requests[#requests + 1] = all:sub(place + 8, place + 7 + length)
    place = place + 8 + length
  end
end

function request()
  if not asked then
    asked = true
    return requests[1]
  end
  if sent == 0 then
    begun_us = now_us()
    if id == 1 then io.stderr:write("began\n") end
  end
  if order then
    sent = sent + 1
    return PAY:format(order, bearer)
  end
  if at == #requests then
    if way ~= "cycle" then
      ffi.C.kill(ffi.C.getpid(), 2) -- wakes wrk's main thread, which sleeps
      wrk.thread:stop()
      return FILLER
    end
    at = 0
  end
  sent, at = sent + 1, at + 1
  local chosen = requests[at]
  if way == "buy" then
    bearer, began = chosen:match("Authorization: ([^\r]+)"), now_us()
  end
  return chosen
end

local function right(status, body)
  if way ~= "buy" then return status == want and (words == "" or body:find(words, 1, true)) end
  if order then
    pairs_us[#pairs_us + 1] = now_us() - began
    order = nil
    return status == 200 and body:find('"paySign"', 1, true)
  end
  order = body:match('"order_no": ?"([^"]+)"')
  return status == 201 and order
end

function response(status, headers, body)
  if right(status, body) then
    good = good + 1
  else
    bad = bad + 1
    if bad == 1 then first_bad = status .. " " .. body:sub(1, 300) end
  end
end

local function percentile(sorted, share)
  return sorted[math.max(1, math.ceil(#sorted * share))] or 0
end

function done(summary, latency)
  local ended_us, first_us = now_us(), math.huge
  local total = { sent = 0, good = 0, bad = 0 }
  local pairs_of_all, said = {}, ""
  for _, thread in ipairs(threads) do
    for name in pairs(total) do total[name] = total[name] + thread:get(name) end
    for _, took in ipairs(thread:get("pairs_us")) do table.insert(pairs_of_all, took) end
    if thread:get("begun_us") > 0 then first_us = math.min(first_us, thread:get("begun_us")) end
    if said == "" then said = thread:get("first_bad") end
  end
  table.sort(pairs_of_all)
  local p50, p99 = latency:percentile(50), latency:percentile(99)
  if #pairs_of_all > 0 then p50, p99 = percentile(pairs_of_all, 0.5), percentile(pairs_of_all, 0.99) end
  local cut = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("\nTOLD %d %d %d %d %d %d %d %d %s\n", ended_us - first_us, total.sent, total.good, total.bad,
    #pairs_of_all, cut, p50, p99, (said:gsub("%s+", " "))))
end
