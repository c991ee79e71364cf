#!lua name=watchkeeper
-- The hot store's half that runs inside Redis 7. docs/storage-format.md specifies every key, value,
-- argument and reply; domain/credit.hpp (apply_credit) is the rule that wk_credit mirrors.
-- Every number here is an integer below 2^53, so doubles are exact.
-- A function computes first and writes last: an error in between leaves nothing half done.

local VERSION = 1

local GAP_MS = 250
local PIECES_MAX = 1024
local CAPACITY_US = 120000000
local START_US = 60000000
local SESSION_TTL_MS = '3600000'
local STUDENT_TTL_MS = '86400000'
-- Setting a time to live costs more than all the rest of a write: it is done anew after an eighth of it.
local SESSION_RENEWED_S = 450
local STUDENT_RENEWED_S = 10800
-- A marked pair is marked again at every 16th change, should its mark have been lost.
local MARKED_AGAIN = 16
local ERASED = 'erased'

-- covered_ms, duration_ms, resume_ms, playtime_ms, resume_at_ms, updated_ms, mastered_ms, version,
-- marked (1: in the dirty set)
local NUMBERS = '>I4I4I4i8i8i8i8I8B'
local NUMBERS_BYTES = 53
-- level_us, refilled_at_ms, and the second of the server's clock when the time to live was set
local BUCKET = '>i8i8I4'
local BUCKET_BYTES = 20
-- highest, seen (upper and lower half), and that second; the module's id follows
local WINDOW = '>I4I4I4I4'
local WINDOW_BYTES = 16
local PIECE = '>I4I4'
-- flags, sequence, from_ms, to_ms, played_at_ms, now_ms, duration_ms, mastery_covered_ms,
-- rate_permille, module
local REQUEST = '>BI4I4I4i8i8I4I4I4Bc0'
-- status, problem, newly mastered, credited_ms; the pair's NUMBERS follow
local OUTCOME = '>BBBI4'

-- Status 0 to 3 are credit_status; problems are the numbers of domain/problem.hpp.
local CREDITED, LIMITED, DUPLICATE, REJECTED, PAIR_MISSING, CORRUPT = 0, 1, 2, 3, 4, 5
local UNKNOWN_DEVICE, STALE_TOKEN, SESSION_MISMATCH, IMPLAUSIBLE_INTERVAL = 4, 6, 11, 14

local call, pcall_redis, pack, unpack_bytes, floor, sub, concat  -- see `bound`

local TWO32 = 4294967296
local POWER = {}
for i = 0, 63 do POWER[i] = 2 ^ i end

-- Coverage is kept as its encoding: 8 bytes a piece, big-endian from and to, sorted.

local function piece_at(covered, index)
  local from, to = unpack_bytes(PIECE, covered, index * 8 + 1)
  return from, to
end

-- Unites [from, to) with the pieces. Returns the new encoding, the media time that became covered,
-- the part of it outside [from, to), and the number of pieces.
local function cover(covered, from, to)
  local n = #covered / 8
  if n == 0 then return pack(PIECE, from, to), to - from, 0, 1 end
  local last_from, last_to = piece_at(covered, n - 1)
  if from >= last_from then  -- a player goes forward: nearly always this way
    if from - last_to > GAP_MS then
      return covered .. pack(PIECE, from, to), to - from, 0, n + 1
    end
    if to <= last_to then return covered, 0, 0, n end
    local gap = from > last_to and from - last_to or 0
    local grown = pack(PIECE, last_from, to)
    if n > 1 then grown = sub(covered, 1, -9) .. grown end
    return grown, to - last_to, gap, n
  end
  -- The first piece that ends at, or less than a gap before, `from` ...
  local low, high = 0, n
  while low < high do
    local middle = floor((low + high) / 2)
    local _, piece_to = piece_at(covered, middle)
    if from - piece_to > GAP_MS then low = middle + 1 else high = middle end
  end
  local first = low
  -- ... and the first that begins more than a gap after `to`.
  high = n
  while low < high do
    local middle = floor((low + high) / 2)
    if piece_at(covered, middle) - to <= GAP_MS then low = middle + 1 else high = middle end
  end
  local last = low
  local before, after = sub(covered, 1, first * 8), sub(covered, last * 8 + 1)
  if first == last then
    return before .. pack(PIECE, from, to) .. after, to - from, 0, n + 1
  end
  local left_from, left_to = piece_at(covered, first)
  local right_from, right_to = piece_at(covered, last - 1)
  local whole_from, whole_to = math.min(left_from, from), math.max(right_to, to)
  local gained = whole_to - whole_from
  for i = first, last - 1 do
    local piece_from, piece_to = piece_at(covered, i)
    gained = gained - (piece_to - piece_from)
  end
  local closed = math.max(0, from - left_to) + math.max(0, right_from - to)
  return before .. pack(PIECE, whole_from, whole_to) .. after, gained, closed, n - (last - first) + 1
end

-- The union of two encodings, its length in ms and its number of pieces.
local function unite(a, b)
  local an, bn = #a / 8, #b / 8
  local pieces, count, covered_ms = {}, 0, 0
  local i, j = 0, 0
  local open_from, open_to
  while i < an or j < bn do
    local from, to
    if j >= bn or (i < an and piece_at(a, i) <= piece_at(b, j)) then
      from, to = piece_at(a, i)
      i = i + 1
    else
      from, to = piece_at(b, j)
      j = j + 1
    end
    if open_from and from - open_to <= GAP_MS then
      if to > open_to then open_to = to end
    else
      if open_from then
        count = count + 1
        pieces[count] = pack(PIECE, open_from, open_to)
        covered_ms = covered_ms + open_to - open_from
      end
      open_from, open_to = from, to
    end
  end
  if open_from then
    count = count + 1
    pieces[count] = pack(PIECE, open_from, open_to)
    covered_ms = covered_ms + open_to - open_from
  end
  return concat(pieces), covered_ms, count
end

-- The two fields of a pair as they are stored; nil when there is none, false when not of the format.
local function load_fields(key)
  local fields = pcall_redis('HMGET', key, 'covered', 'numbers')
  if fields.err then return false end
  local covered, numbers = fields[1], fields[2]
  if not covered and not numbers then return nil end
  if not covered or not numbers or #numbers ~= NUMBERS_BYTES or #covered % 8 ~= 0 then
    return false
  end
  return fields
end

-- The same as a table, for what is not called with every heartbeat.
local function load_pair(key)
  local fields = load_fields(key)
  if not fields then return fields end
  local covered_ms, duration_ms, resume_ms, playtime_ms, resume_at_ms, updated_ms, mastered_ms,
    version, marked = unpack_bytes(NUMBERS, fields[2])
  return { covered = fields[1], stored = fields[1], covered_ms = covered_ms,
    duration_ms = duration_ms, resume_ms = resume_ms, playtime_ms = playtime_ms,
    resume_at_ms = resume_at_ms, updated_ms = updated_ms, mastered_ms = mastered_ms,
    version = version, marked = marked }
end

local function save_pair(key, p)
  local numbers = pack(NUMBERS, p.covered_ms, p.duration_ms, p.resume_ms, p.playtime_ms,
    p.resume_at_ms, p.updated_ms, p.mastered_ms, p.version, p.marked)
  if p.covered == p.stored then
    call('HSET', key, 'numbers', numbers)
  else
    call('HSET', key, 'covered', p.covered, 'numbers', numbers)
  end
end

-- The member "<student>/<module>" of the dirty set: what follows "...progress:" in the pair's key.
local function member_of(pair_key, dirty_key)
  return sub(pair_key, #dirty_key + 5)
end

-- The window of a session after `sequence`, in the halves of its 64 bits.
local function mark(highest, high, low, sequence)
  if (high == 0 and low == 0) or sequence - highest >= 64 then return sequence, 0, 1 end
  local advance = sequence - highest
  if advance == 1 then
    return sequence, (high * 2) % TWO32 + floor(low / 2147483648), (low * 2) % TWO32 + 1
  elseif advance >= 32 then
    return sequence, (low % POWER[64 - advance]) * POWER[advance - 32], 1
  elseif advance > 0 then
    local kept = POWER[32 - advance]
    return sequence, (high % kept) * POWER[advance] + floor(low / kept),
      (low % kept) * POWER[advance] + 1
  end
  local age = -advance
  if age >= 32 then return highest, high + POWER[age - 32], low end
  return highest, high, low + POWER[age]
end

local function is_marked(high, low, age)
  if age >= 32 then return floor(high / POWER[age - 32]) % 2 == 1 end
  return floor(low / POWER[age]) % 2 == 1
end

-- What is held under a key of the MGET or of an earlier request: the value in its format, '' when there
-- is none, false when it is not of the format.
local function checked(value, bytes, and_more)
  if not value then return '' end
  if #value == bytes or (and_more and #value > bytes) then return value end
  return false
end

-- KEYS: n student keys, n session keys, n pair keys, n dirty keys. ARGV: n packed requests in one.
-- Replies with n packed outcomes in one string.
-- The states stay the strings they are stored as: unpacking one again costs less than a table.
local function credit(keys, args)
  local n = #keys / 4
  local blob, position = args[1], 1
  local values = call('MGET', unpack(keys, 1, 2 * n))
  local buckets, sessions, pairs_held = {}, {}, {}
  -- What is to be written: a key maps to whether its time to live, its coverage is written, too.
  local buckets_new, sessions_new, pairs_new, marks_new = {}, {}, {}, {}
  local out, used = {}, 0
  for i = 1, n do
    local flags, sequence, from, to, played_at_ms, now_ms, duration_ms, mastery_ms, rate, module
    flags, sequence, from, to, played_at_ms, now_ms, duration_ms, mastery_ms, rate, module, position =
      unpack_bytes(REQUEST, blob, position)
    local student_key, session_key, pair_key = keys[i], keys[n + i], keys[2 * n + i]

    local bucket = buckets[student_key]
    if bucket == nil then
      bucket = values[i]
      if bucket ~= ERASED then bucket = checked(bucket, BUCKET_BYTES) end
      buckets[student_key] = bucket
    end
    local session = sessions[session_key]
    if session == nil then
      session = checked(values[n + i], WINDOW_BYTES + 1, true)
      sessions[session_key] = session
    end
    local pair
    if bucket ~= ERASED then
      pair = pairs_held[pair_key]
      if pair == nil then
        pair = load_fields(pair_key)
        pairs_held[pair_key] = pair
      end
    end

    local status, why, newly, credited_ms = REJECTED, 0, 0, 0
    if bucket == ERASED then
      why = UNKNOWN_DEVICE
    elseif pair == nil then
      status = PAIR_MISSING
    elseif not bucket or not session or not pair then
      status = CORRUPT
    elseif session ~= '' and sub(session, WINDOW_BYTES + 1) ~= module then
      why = SESSION_MISMATCH
    else
      local highest, high, low, session_renewed_s = 0, 0, 0, 0
      if session ~= '' then
        highest, high, low, session_renewed_s = unpack_bytes(WINDOW, session)
      end
      local age = highest - sequence
      if age >= 0 and (high ~= 0 or low ~= 0) and (age >= 64 or is_marked(high, low, age)) then
        if age >= 64 then why = STALE_TOKEN else status = DUPLICATE end
      else
        local level, refilled_at_ms, bucket_renewed_s = START_US, 0, 0
        if bucket ~= '' then
          level, refilled_at_ms, bucket_renewed_s = unpack_bytes(BUCKET, bucket)
        end
        if refilled_at_ms == 0 then
          refilled_at_ms = now_ms
        elseif now_ms > refilled_at_ms then
          local elapsed_ms = now_ms - refilled_at_ms
          refilled_at_ms = now_ms
          level = level + elapsed_ms * rate
          if level > CAPACITY_US then level = CAPACITY_US end
        end
        local length_ms = to - from
        local allowed_ms = floor(level / 1000)
        if allowed_ms < 0 then allowed_ms = 0 end
        if allowed_ms > length_ms then allowed_ms = length_ms end
        local covered, gained, closed, pieces = pair[1], 0, 0, 0
        if allowed_ms > 0 then
          covered, gained, closed, pieces = cover(covered, from, from + allowed_ms)
        end
        if pieces > PIECES_MAX then
          why = IMPLAUSIBLE_INTERVAL
        else
          local now_s = floor(now_ms / 1000)
          local since_s = now_s - bucket_renewed_s
          if since_s < 0 or since_s >= STUDENT_RENEWED_S then
            bucket_renewed_s = now_s
            buckets_new[student_key] = true
          elseif not buckets_new[student_key] then
            buckets_new[student_key] = false
          end
          buckets[student_key] =
            pack(BUCKET, level - (allowed_ms + closed) * 1000, refilled_at_ms, bucket_renewed_s)

          since_s = now_s - session_renewed_s
          if since_s < 0 or since_s >= SESSION_RENEWED_S then
            session_renewed_s = now_s
            sessions_new[session_key] = true
          elseif not sessions_new[session_key] then
            sessions_new[session_key] = false
          end
          highest, high, low = mark(highest, high, low, sequence)
          sessions[session_key] = pack(WINDOW, highest, high, low, session_renewed_s) .. module

          local covered_ms, _, resume_ms, playtime_ms, resume_at_ms, updated_ms, mastered_ms,
            version, marked = unpack_bytes(NUMBERS, pair[2])
          covered_ms = covered_ms + gained
          if played_at_ms >= resume_at_ms then resume_ms, resume_at_ms = to, played_at_ms end
          if now_ms > updated_ms then updated_ms = now_ms end
          version = version + 1
          if mastered_ms == 0 and covered_ms >= mastery_ms then
            mastered_ms = now_ms
            newly = 1
          end
          if marked == 0 or version % MARKED_AGAIN == 0 then
            marks_new[pair_key] = keys[3 * n + i]
          end
          if covered ~= pair[1] then
            pair[1] = covered
            pairs_new[pair_key] = true
          elseif not pairs_new[pair_key] then
            pairs_new[pair_key] = false
          end
          pair[2] = pack(NUMBERS, covered_ms, duration_ms, resume_ms, playtime_ms + allowed_ms,
            resume_at_ms, updated_ms, mastered_ms, version, 1)
          status = allowed_ms < length_ms and LIMITED or CREDITED
          credited_ms = allowed_ms
        end
      end
    end

    out[used + 1] = pack(OUTCOME, status, why, newly, credited_ms)
    used = used + 1
    if status <= DUPLICATE then
      used = used + 1
      out[used] = pair[2]
    end
    if status <= REJECTED and flags == 1 then
      local covered = pair and pair[1] or ''
      out[used + 1], out[used + 2] = pack('>I4', #covered), covered
      used = used + 2
    end
  end

  -- The marks first: they are the only writes that can fail, on a key of a foreign type.
  for pair_key, dirty_key in pairs(marks_new) do
    call('SADD', dirty_key, member_of(pair_key, dirty_key))
  end
  for key, with_coverage in pairs(pairs_new) do
    local pair = pairs_held[key]
    if with_coverage then
      call('HSET', key, 'covered', pair[1], 'numbers', pair[2])
    else
      call('HSET', key, 'numbers', pair[2])
    end
  end
  for key, renews in pairs(sessions_new) do
    if renews then
      call('SET', key, sessions[key], 'PX', SESSION_TTL_MS)
    else
      call('SETRANGE', key, '0', sub(sessions[key], 1, WINDOW_BYTES))
    end
  end
  for key, renews in pairs(buckets_new) do
    if renews then
      call('SET', key, buckets[key], 'PX', STUDENT_TTL_MS)
    else
      call('SETRANGE', key, '0', buckets[key])
    end
  end
  return concat(out)
end

-- KEYS: pair, student, dirty and pairs key of one pair after the other. ARGV: "1" to mark them dirty,
-- then coverage and packed numbers (their version and mark unused) of one after the other.
-- Replies with the numbers of pairs that were corrupt and of those left alone for too many pieces.
local function merge(keys, args)
  local n = #keys / 4
  local mark_dirty = args[1] == '1'
  local corrupt, too_many = 0, 0
  local clock = call('TIME')
  local version = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
  for i = 0, n - 1 do
    local pair_key, student_key = keys[4 * i + 1], keys[4 * i + 2]
    local dirty_key, pairs_key = keys[4 * i + 3], keys[4 * i + 4]
    local covered, numbers = args[2 * i + 2], args[2 * i + 3]
    if call('GET', student_key) ~= ERASED then
      local covered_ms, duration_ms, resume_ms, playtime_ms, resume_at_ms, updated_ms, mastered_ms =
        unpack_bytes(NUMBERS, numbers)
      local member = member_of(pair_key, dirty_key)
      local usable = true
      local held = load_pair(pair_key)
      if held == false then
        corrupt = corrupt + 1
        usable = false
      elseif held == nil and #covered > PIECES_MAX * 8 then
        too_many = too_many + 1
        usable = false
      elseif held == nil then
        -- The version starts at the clock: a pair that was erased and comes back has another one.
        save_pair(pair_key, { covered = covered, covered_ms = covered_ms, duration_ms = duration_ms,
          resume_ms = resume_ms, playtime_ms = playtime_ms, resume_at_ms = resume_at_ms,
          updated_ms = updated_ms, mastered_ms = mastered_ms, version = version,
          marked = mark_dirty and 1 or 0 })
        local module = sub(member, string.find(member, '/', 1, true) + 1)
        call('SADD', pairs_key, module)
      else
        local before = pack(NUMBERS, held.covered_ms, held.duration_ms, held.resume_ms,
          held.playtime_ms, held.resume_at_ms, held.updated_ms, held.mastered_ms, 0, 0)
        local united, united_ms, pieces = held.covered, held.covered_ms, 0
        if covered ~= united then united, united_ms, pieces = unite(united, covered) end
        if pieces > PIECES_MAX then
          too_many = too_many + 1
          usable = false
        else
          held.covered, held.covered_ms = united, united_ms
          if updated_ms > held.updated_ms then
            held.duration_ms, held.updated_ms = duration_ms, updated_ms
          elseif updated_ms == held.updated_ms and duration_ms > held.duration_ms then
            held.duration_ms = duration_ms
          end
          if playtime_ms > held.playtime_ms then held.playtime_ms = playtime_ms end
          if resume_at_ms > held.resume_at_ms then
            held.resume_at_ms, held.resume_ms = resume_at_ms, resume_ms
          elseif resume_at_ms == held.resume_at_ms and resume_ms > held.resume_ms then
            held.resume_ms = resume_ms
          end
          if held.mastered_ms == 0 then
            held.mastered_ms = mastered_ms
          elseif mastered_ms ~= 0 and mastered_ms < held.mastered_ms then
            held.mastered_ms = mastered_ms
          end
          local after = pack(NUMBERS, held.covered_ms, held.duration_ms, held.resume_ms,
            held.playtime_ms, held.resume_at_ms, held.updated_ms, held.mastered_ms, 0, 0)
          local changed = after ~= before or held.covered ~= held.stored
          if changed then held.version = held.version + 1 end
          if changed or (mark_dirty and held.marked == 0) then
            if mark_dirty then held.marked = 1 end
            save_pair(pair_key, held)
          end
        end
      end
      if usable and mark_dirty then call('SADD', dirty_key, member) end
    end
  end
  return { corrupt, too_many }
end

-- KEYS: dirty key, then pair keys. ARGV: their versions, 8 bytes each in one string; a version of 0
-- stands for a pair that was not there. Takes the mark from each that is still so.
local function mark_clean(keys, args)
  local dirty_key = keys[1]
  local cleaned = 0
  for i = 2, #keys do
    local version = unpack_bytes('>I8', args[1], (i - 2) * 8 + 1)
    local held = load_pair(keys[i])
    if (held == nil and version == 0) or (held and held.version == version) then
      cleaned = cleaned + call('SREM', dirty_key, member_of(keys[i], dirty_key))
      if held then
        held.marked = 0
        save_pair(keys[i], held)
      end
    end
  end
  return cleaned
end

-- KEYS: student, pairs and dirty key. Forgets the student's pairs and refuses credit from now on.
local function erase(keys)
  local student_key, pairs_key, dirty_key = keys[1], keys[2], keys[3]
  local partition = sub(dirty_key, 1, -6)  -- "wk:{p17}:" of "wk:{p17}:dirty"
  local student = sub(student_key, #partition + 9)  -- what follows "student:"
  for _, module in ipairs(call('SMEMBERS', pairs_key)) do
    local member = student .. '/' .. module
    call('UNLINK', partition .. 'progress:' .. member)
    call('SREM', dirty_key, member)
  end
  call('UNLINK', pairs_key)
  call('SET', student_key, ERASED, 'PX', STUDENT_TTL_MS)
  return 1
end

-- KEYS: student key. Ends the refusal.
local function readmit(keys)
  if call('GET', keys[1]) == ERASED then return call('DEL', keys[1]) end
  return 0
end

-- KEYS: pair key. What an operator wants to see of it, in text: FCALL_RO wk_show 1 <key>
local function show(keys)
  local held = load_pair(keys[1])
  if held == nil then return 'none' end
  if held == false then return 'corrupt' end
  local text = {}
  for _, name in ipairs({ 'covered_ms', 'duration_ms', 'playtime_ms', 'resume_ms', 'resume_at_ms',
    'updated_ms', 'mastered_ms', 'version', 'marked' }) do
    text[#text + 1] = string.format('%s=%.0f', name, held[name])
  end
  text[#text + 1] = 'state=' .. (held.mastered_ms ~= 0 and 'MASTERED' or 'IN_PROGRESS')
  for i = 0, #held.covered / 8 - 1 do
    text[#text + 1] = string.format('[%.0f,%.0f)', piece_at(held.covered, i))
  end
  return concat(text, ' ')
end

-- Lua's libraries and redis.call exist only once a function runs, not while this file is loaded.
local function bound(body)
  return function(keys, args)
    if not call then
      call, pcall_redis, pack, unpack_bytes = redis.call, redis.pcall, struct.pack, struct.unpack
      floor, sub, concat = math.floor, string.sub, table.concat
    end
    return body(keys, args)
  end
end

-- Without allow-oom Redis refuses a call at its start when memory is full, before anything happens.
-- What frees memory, or has to go through all the same, is let through.
redis.register_function('wk_credit', bound(credit))
redis.register_function('wk_merge', bound(merge))
redis.register_function{ function_name = 'wk_mark_clean', callback = bound(mark_clean),
  flags = { 'allow-oom' } }
redis.register_function{ function_name = 'wk_erase', callback = bound(erase), flags = { 'allow-oom' } }
redis.register_function{ function_name = 'wk_readmit', callback = bound(readmit),
  flags = { 'allow-oom' } }
redis.register_function{ function_name = 'wk_show', callback = bound(show), flags = { 'no-writes' } }
redis.register_function{ function_name = 'wk_version', callback = function() return VERSION end,
  flags = { 'no-writes' } }
