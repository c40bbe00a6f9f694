-- What wrk sends and what it expects. Arguments: way, files of requests (one a thread), status, words of the body, seconds.
--   once   each request once
--   cycle  from the beginning again
--   buy    an order, then its payment, then the next one: one connection a thread, so that an answer has its question
-- When the time is up, or everything is sent, what is under way is waited for: nothing is left over for the next cell.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long s; long ns; } bench_time;
  int clock_gettime(int clock, bench_time *now);
]]

local FOR_EVER = 1e8 -- milliseconds
local PAY = "POST /api/orders/%s/pay HTTP/1.1\r\nHost: pay.example.com\r\nAuthorization: %s\r\nContent-Length: 0\r\n\r\n"
local way, want, words, seconds
local requests, at = {}, 0
local granted, answered = 0, 0 -- an order and its payment are one
local asked -- wrk asks the first thread for one request before it begins, and does not send it
local order, bearer, began
local finished = false
local clock = ffi.new("bench_time")

-- globals: read by wrk's main thread at the end
id, begun_us, last_us = 1, 0, 0
good, bad, in_time, first_bad, pairs_us = 0, 0, 0, "", {}

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
  way, want, words, seconds = args[1], tonumber(args[3]), args[4], tonumber(args[5])
  asked = id ~= 1
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

local function over(now)
  if order then return false end -- it is paid yet
  return (begun_us > 0 and now - begun_us >= seconds * 1e6) or (way ~= "cycle" and granted == #requests)
end

local function finish_if_answered()
  if granted == answered and not finished then
    finished = true
    io.stderr:write("finished\n")
  end
end

-- asked by wrk before each request of a connection
function delay()
  if not over(now_us()) then
    if not order then granted = granted + 1 end
    return 0
  end
  finish_if_answered()
  return FOR_EVER
end

function request()
  if not asked then
    asked = true
    return requests[1]
  end
  if begun_us == 0 then begun_us = now_us() end
  if order then return PAY:format(order, bearer) end
  at = at % #requests + 1
  local chosen = requests[at]
  if way == "buy" then
    bearer, began = chosen:match("Authorization: ([^\r]+)"), now_us()
  end
  return chosen
end

local function right(status, body, now)
  if way ~= "buy" then return status == want and (words == "" or body:find(words, 1, true)) end
  if order then
    pairs_us[#pairs_us + 1] = now - began
    order = nil
    return status == 200 and body:find('"paySign"', 1, true)
  end
  order = body:match('"order_no": ?"([^"]+)"')
  return status == 201 and order
end

function response(status, headers, body)
  local now = now_us()
  if right(status, body, now) then
    good = good + 1
  else
    bad = bad + 1
    if bad == 1 then first_bad = status .. " " .. body:sub(1, 300) end
  end
  if not order then
    answered = answered + 1
    if now - begun_us < seconds * 1e6 then in_time, last_us = in_time + 1, now end
  end
  if over(now) then finish_if_answered() end
end

local function percentile(sorted, share)
  return sorted[math.max(1, math.ceil(#sorted * share))] or 0
end

function done(summary, latency)
  local total = { good = 0, bad = 0, in_time = 0 }
  local first, last, pairs_of_all, said = math.huge, 0, {}, ""
  for _, thread in ipairs(threads) do
    for name in pairs(total) do total[name] = total[name] + thread:get(name) end
    for _, took in ipairs(thread:get("pairs_us")) do table.insert(pairs_of_all, took) end
    if thread:get("begun_us") > 0 then first = math.min(first, thread:get("begun_us")) end
    last = math.max(last, thread:get("last_us"))
    if said == "" then said = thread:get("first_bad") end
  end
  table.sort(pairs_of_all)
  local p50, p99 = latency:percentile(50), latency:percentile(99)
  if #pairs_of_all > 0 then p50, p99 = percentile(pairs_of_all, 0.5), percentile(pairs_of_all, 0.99) end
  local cut = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("\nTOLD %d %d %d %d %d %d %d %d %s\n", last - first, total.good, total.bad,
    total.in_time, #pairs_of_all, cut, p50, p99, (said:gsub("%s+", " "))))
end
