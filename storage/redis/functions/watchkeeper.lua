#!lua name=watchkeeper
-- The hot store's half that runs inside Redis 7. docs/storage-format.md specifies every key, value,
-- argument and reply; domain/credit.hpp (apply_credit) is the rule that wk_credit mirrors.
-- Every number here is an integer below 2^53, so doubles are exact.
-- A function computes first and writes last: an error in between leaves nothing half done.

local VERSION = 5

local GAP_MS = 250
local PIECES_MAX = 1024
local CAPACITY_US = 120000000
local START_US = 60000000
local SESSION_TTL_MS = 3600000
local ERASED_TTL_MS, BUCKET_FORGOTTEN_MS = 86400000, 86400000
-- A session's own key is written anew after an eighth of its time to live.
local SESSION_RENEWED_MS = 450000
-- What else a group of wk_cas may need: the sum of them.
local MARK_ANEW, RENEW_SESSION = 1, 2
-- A marked pair is marked again at every 16th change, should its mark have been lost.
local MARKED_AGAIN = 16
local ERASED = 'erased'

-- covered_ms, duration_ms, resume_ms, playtime_ms, resume_at_ms, updated_ms, mastered_ms, version,
-- marked (1: in the dirty set)
local NUMBERS = '>I4I4I4i8i8i8i8I8B'
local NUMBERS_BYTES = 53
local MARK_AT, VERSION_AT = 53, 45
-- What is kept of a session: highest, seen (upper and lower half), and the second of the server's
-- clock when its own key was written. In that key the module's id follows.
local WINDOW = '>I4I4I4I4'
local WINDOW_BYTES = 16
-- In a pair it follows the session's tag.
local TAGGED = '>I8I4I4I4I4'
local TAGGED_BYTES = 24
local WINDOWS_MAX = 4
local NO_WINDOWS = '\0'
-- A pair: numbers, number of windows, windows (the one used last comes first), coverage.
local COUNTED = NUMBERS .. 'B'
local COUNTED_BYTES = NUMBERS_BYTES + 1
local HEAD = COUNTED .. 'I8I4I4I4I4'
local HEAD_BYTES = COUNTED_BYTES + TAGGED_BYTES
local HEAD_AND_PIECE = HEAD .. 'I4I4'
-- level_us, refilled_at_ms
local BUCKET = '>i8i8'
local BUCKET_BYTES = 16
local PIECE = '>I4I4'
-- want coverage, partition, number of the student's and of the pair's key, sequence, from_ms, to_ms,
-- played_at_ms, now_ms, duration_ms, mastery_covered_ms, rate_permille, the session's tag
local REQUEST = '>BBBBI4I4I4i8i8I4I4I4I8'
local REQUEST_BYTES = 52

-- Status 0 to 3 are credit_status; problems are the numbers of domain/problem.hpp.
local CREDITED, LIMITED, DUPLICATE, REJECTED, PAIR_MISSING, CORRUPT = 0, 1, 2, 3, 4, 5
-- Added to CREDITED or LIMITED when this heartbeat brought the mastery.
local MASTERED = 6
local UNKNOWN_DEVICE, STALE_TOKEN, SESSION_MISMATCH, IMPLAUSIBLE_INTERVAL = 4, 6, 11, 14

local call, pcall_redis, pack, unpack_bytes, floor, sub, byte, concat  -- see `bound`

local TWO32 = 4294967296
local POWER = {}
for i = 0, 63 do POWER[i] = 2 ^ i end
local BYTE, DIRTY = {}, {}  -- of 0 to 255: one character; the dirty key of the partition

-- Coverage is kept as its encoding: 8 bytes a piece, big-endian from and to, sorted.

local function piece_at(covered, index)
  local from, to = unpack_bytes(PIECE, covered, index * 8 + 1)
  return from, to
end

-- Unites [from, to) with the pieces, of which there is one at least. Returns the new encoding, the media
-- time that became covered, the part of it outside [from, to), and the number of pieces.
local function cover(covered, from, to)
  local n = #covered / 8
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

-- What lies under the key of a pair; nil when there is nothing, false when it is not of the format.
local function load_value(key)
  local value = pcall_redis('GET', key)
  if value == false then return nil end
  if type(value) ~= 'string' or #value < COUNTED_BYTES then return false end
  local count = byte(value, COUNTED_BYTES)
  local coverage_bytes = #value - COUNTED_BYTES - count * TAGGED_BYTES
  if count > WINDOWS_MAX or coverage_bytes < 0 or coverage_bytes % 8 ~= 0 then return false end
  return value
end

-- The same as a table, for what is not called with every heartbeat.
local function load_pair(key)
  local value = load_value(key)
  if not value then return value end
  local covered_ms, duration_ms, resume_ms, playtime_ms, resume_at_ms, updated_ms, mastered_ms,
    version, marked, count = unpack_bytes(COUNTED, value)
  local windows_end = COUNTED_BYTES + count * TAGGED_BYTES
  return { covered = sub(value, windows_end + 1), windows = sub(value, COUNTED_BYTES, windows_end),
    covered_ms = covered_ms, duration_ms = duration_ms, resume_ms = resume_ms,
    playtime_ms = playtime_ms, resume_at_ms = resume_at_ms, updated_ms = updated_ms,
    mastered_ms = mastered_ms, version = version, marked = marked }
end

local function save_pair(key, p)
  call('SET', key, pack(NUMBERS, p.covered_ms, p.duration_ms, p.resume_ms, p.playtime_ms,
    p.resume_at_ms, p.updated_ms, p.mastered_ms, p.version, p.marked) .. p.windows .. p.covered)
end

-- The member "<student>/<module>" of the dirty set: what follows "...progress:" in the pair's key.
local function member_of(pair_key, dirty_key)
  return sub(pair_key, #dirty_key + 5)
end

-- The parts of "wk:{p17}:progress:<student>/<module>".
local function parts_of(pair_key)
  return string.match(pair_key, '^(wk:{p%d+}:)progress:([^/]+)/(.+)$')
end

-- A session is named by its student and its tag, which is all that a pair knows of it.
local function session_key_of(prefix, student, tag)
  return string.format('%ssession:%s/%014x', prefix, student, tag)
end

-- The window of a session after `sequence`, in the halves of its 64 bits.
local function mark(highest, high, low, sequence)
  if (high == 0 and low == 0) or sequence - highest >= 64 then return sequence, 0, 1 end
  local advance = sequence - highest
  if advance >= 32 then
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

-- Adds the pair to what is to be put into the dirty set of its partition.
local function add_mark(marks, partition, pair_key)
  marks = marks or {}
  local dirty_key = DIRTY[partition]
  local members = marks[dirty_key]
  if not members then
    members = {}
    marks[dirty_key] = members
  end
  members[#members + 1] = member_of(pair_key, dirty_key)
  return marks
end

-- Looks for the window of a session that is not the first of its pair: among the others, then under
-- the session's own key, of which `sessions` holds what this call is going to write.
-- Returns nothing when that is not of the format; else whether the session is bound to another
-- module, the window (zeros when there is none), the other windows that stay, and the one that
-- has no room any more.
local function find_window(pair_key, pair, count, tag, now_ms, sessions)
  local others, found, kept, evicted = '', nil, 0, nil
  for at = COUNTED_BYTES + 1, COUNTED_BYTES + count * TAGGED_BYTES, TAGGED_BYTES do
    local its_tag, _, _, _, renewed_s = unpack_bytes(TAGGED, pair, at)
    if now_ms - renewed_s * 1000 < SESSION_TTL_MS then
      local window = sub(pair, at, at + TAGGED_BYTES - 1)
      if its_tag == tag then
        found = sub(window, 9)
      elseif kept == WINDOWS_MAX - 1 then
        evicted = window
      else
        others = others .. window
        kept = kept + 1
      end
    end
  end
  if not found then
    local prefix, student, module = parts_of(pair_key)
    local key = session_key_of(prefix, student, tag)
    found = sessions[key]
    if not found then
      found = pcall_redis('GET', key)
      if found and (type(found) ~= 'string' or #found <= WINDOW_BYTES) then return end
    end
    if found and now_ms - unpack_bytes('>I4', found, 13) * 1000 >= SESSION_TTL_MS then
      found = false
    end
    if found and sub(found, WINDOW_BYTES + 1) ~= module then return true end
    if not found then return false, 0, 0, 0, 0, others, kept, evicted end
  end
  local highest, high, low, renewed_s = unpack_bytes(WINDOW, found)
  return false, highest, high, low, renewed_s, others, kept, evicted
end

-- Marks first, since that can fail on a key of a foreign type; then everything else.
local function write_all(keys, values, changed, marks, sessions)
  for dirty_key, members in pairs(marks) do call('SADD', dirty_key, unpack(members)) end
  for key, value in pairs(sessions) do call('SET', key, value, 'PX', SESSION_TTL_MS) end
  local writes, used = {}, 0
  for i = 1, #keys do
    if changed[i] then
      writes[used + 1], writes[used + 2] = keys[i], values[i]
      used = used + 2
    end
  end
  if used > 0 then call('MSET', unpack(writes, 1, used)) end
end

-- KEYS: the student keys, then the pair keys, each once. ARGV: n packed requests in one.
-- Replies with n packed outcomes in one string.
-- The states stay the strings they are stored as: unpacking one again costs less than a table.
local function credit(keys, args)
  local blob = args[1]
  local values = call('MGET', unpack(keys))
  -- Which keys are to be written; members of dirty sets by their key; values of session keys.
  local changed, marks, sessions = {}, {}, {}
  local out, used = {}, 0
  for position = 1, #blob, REQUEST_BYTES do
    local wants_coverage, partition, student_at, pair_at, sequence, from, to, played_at_ms, now_ms,
      duration_ms, mastery_ms, rate, tag = unpack_bytes(REQUEST, blob, position)
    local bucket, pair = values[student_at], values[pair_at]
    local pair_key = keys[pair_at]

    -- What is absent for MGET may be of a foreign type.
    if not bucket then
      bucket = pcall_redis('GET', keys[student_at])
      if bucket and bucket.err then bucket = '' end
    end
    local status, problem
    local pair_bytes, count = 0, 0
    if bucket == ERASED then
      status, problem, pair = REJECTED, UNKNOWN_DEVICE, nil
    elseif not pair then
      status = load_value(pair_key) == nil and PAIR_MISSING or CORRUPT
    else
      pair_bytes = #pair
      count = byte(pair, COUNTED_BYTES) or 255
      if count > WINDOWS_MAX or (bucket and #bucket ~= BUCKET_BYTES) then status = CORRUPT end
    end
    local body = COUNTED_BYTES + count * TAGGED_BYTES  -- the coverage follows
    local pieces = (pair_bytes - body) / 8
    if not status and (pieces < 0 or pieces % 1 ~= 0) then status = CORRUPT end

    if not status then
      local covered_ms, _, resume_ms, playtime_ms, resume_at_ms, updated_ms, mastered_ms, version,
        marked, window_tag, highest, high, low, renewed_s
      if count > 0 then
        covered_ms, _, resume_ms, playtime_ms, resume_at_ms, updated_ms, mastered_ms, version,
          marked, _, window_tag, highest, high, low, renewed_s = unpack_bytes(HEAD, pair)
      else
        covered_ms, _, resume_ms, playtime_ms, resume_at_ms, updated_ms, mastered_ms, version,
          marked = unpack_bytes(NUMBERS, pair)
      end
      local others, others_count, evicted = '', count - 1, nil
      if window_tag ~= tag or now_ms - renewed_s * 1000 >= SESSION_TTL_MS then
        local elsewhere
        elsewhere, highest, high, low, renewed_s, others, others_count, evicted =
          find_window(pair_key, pair, count, tag, now_ms, sessions)
        if elsewhere then
          status, problem = REJECTED, SESSION_MISMATCH
        elseif elsewhere == nil then
          status = CORRUPT
        end
      elseif count > 1 then
        others = sub(pair, HEAD_BYTES + 1, body)
      end

      if not status then
        local age = highest - sequence
        if age >= 0 and (high ~= 0 or low ~= 0) and (age >= 64 or is_marked(high, low, age)) then
          if age >= 64 then
            status, problem = REJECTED, STALE_TOKEN
          else
            status = DUPLICATE
          end
        end
      end

      if not status then
        local level, refilled_at_ms = START_US, now_ms
        if bucket then
          level, refilled_at_ms = unpack_bytes(BUCKET, bucket)
          if now_ms > refilled_at_ms then
            local elapsed_ms = now_ms - refilled_at_ms
            refilled_at_ms = now_ms
            if elapsed_ms >= BUCKET_FORGOTTEN_MS then
              level = START_US
            else
              level = level + elapsed_ms * rate
              if level > CAPACITY_US then level = CAPACITY_US end
            end
          end
        end
        local length_ms = to - from
        local allowed_ms = length_ms
        if level < length_ms * 1000 then
          allowed_ms = floor(level / 1000)
          if allowed_ms < 0 then allowed_ms = 0 end
        end

        -- Coverage: `kept` stays in front, then comes the piece [piece_from, piece_to), if any.
        local kept_end, piece_from, piece_to, rest, gained, closed = pair_bytes, nil, nil, nil, 0, 0
        if allowed_ms > 0 then
          local credited_to = from + allowed_ms
          local last_from, last_to = 0, -1
          if pieces > 0 then last_from, last_to = unpack_bytes(PIECE, pair, pair_bytes - 7) end
          if pieces == 0 or from - last_to > GAP_MS then
            piece_from, piece_to, gained = from, credited_to, allowed_ms
            pieces = pieces + 1
          elseif from >= last_from then  -- a player goes forward: nearly always this way
            if credited_to > last_to then
              kept_end, piece_from, piece_to = pair_bytes - 8, last_from, credited_to
              gained = credited_to - last_to
              if from > last_to then closed = from - last_to end
            end
          else
            rest, gained, closed, pieces = cover(sub(pair, body + 1), from, credited_to)
          end
        end

        if pieces > PIECES_MAX then
          status, problem = REJECTED, IMPLAUSIBLE_INTERVAL
        else
          values[student_at] =
            pack(BUCKET, level - (allowed_ms + closed) * 1000, refilled_at_ms)
          changed[student_at] = true

          -- The lowest bit is always set, once there is one.
          if sequence - highest == 1 and low > 0 then
            highest, high, low = sequence, high * 2, low * 2 + 1
            if low >= TWO32 then high, low = high + 1, low - TWO32 end
            if high >= TWO32 then high = high - TWO32 end
          else
            highest, high, low = mark(highest, high, low, sequence)
          end
          local since_ms = now_ms - renewed_s * 1000
          if since_ms < 0 or since_ms >= SESSION_RENEWED_MS then
            renewed_s = floor(now_ms / 1000)
            local prefix, student, module = parts_of(pair_key)
            sessions[session_key_of(prefix, student, tag)] =
              pack(WINDOW, highest, high, low, renewed_s) .. module
          end
          if evicted then
            local prefix, student, module = parts_of(pair_key)
            sessions[session_key_of(prefix, student, unpack_bytes('>I8', evicted))] =
              sub(evicted, 9) .. module
          end

          covered_ms = covered_ms + gained
          if played_at_ms >= resume_at_ms then resume_ms, resume_at_ms = to, played_at_ms end
          if now_ms > updated_ms then updated_ms = now_ms end
          version = version + 1
          status = allowed_ms < length_ms and LIMITED or CREDITED
          if mastered_ms == 0 and covered_ms >= mastery_ms then
            mastered_ms = now_ms
            status = status + MASTERED
          end
          if marked == 0 or version % MARKED_AGAIN == 0 then
            add_mark(marks, partition, pair_key)
          end

          local after
          if pieces == 1 and others_count <= 0 and piece_from then
            after = pack(HEAD_AND_PIECE, covered_ms, duration_ms, resume_ms,
              playtime_ms + allowed_ms, resume_at_ms, updated_ms, mastered_ms, version, 1, 1,
              tag, highest, high, low, renewed_s, piece_from, piece_to)
          else
            if others_count < 0 then others_count = 0 end
            if not rest then
              rest = sub(pair, body + 1, kept_end)
              if piece_from then rest = rest .. pack(PIECE, piece_from, piece_to) end
            end
            after = pack(HEAD, covered_ms, duration_ms, resume_ms, playtime_ms + allowed_ms,
              resume_at_ms, updated_ms, mastered_ms, version, 1, others_count + 1, tag, highest,
              high, low, renewed_s) .. others .. rest
          end
          values[pair_at] = after
          changed[pair_at] = true
          pair, pair_bytes = after, #after
          body = COUNTED_BYTES + (others_count > 0 and others_count + 1 or 1) * TAGGED_BYTES
          out[used + 1], out[used + 2] = BYTE[status], sub(after, 1, NUMBERS_BYTES)
          used = used + 2
          if allowed_ms < length_ms then
            used = used + 1
            out[used] = pack('>I4', allowed_ms)
          end
        end
      end
    end

    if status == DUPLICATE then
      out[used + 1], out[used + 2] = BYTE[status], sub(pair, 1, NUMBERS_BYTES)
      used = used + 2
    elseif problem then
      out[used + 1], out[used + 2] = BYTE[status], BYTE[problem]
      used = used + 2
    elseif status == CORRUPT or status == PAIR_MISSING then
      used = used + 1
      out[used] = BYTE[status]
    end
    if wants_coverage == 1 and status ~= CORRUPT and status ~= PAIR_MISSING then
      local covered = pair and sub(pair, body + 1) or ''
      out[used + 1], out[used + 2] = pack('>I4', #covered), covered
      used = used + 2
    end
  end
  write_all(keys, values, changed, marks, sessions)
  return concat(out)
end

-- KEYS: student and pair key of one group after the other. ARGV: the groups' partitions, a byte each; which
-- groups (a byte, from 1 on) need more than the write, and what (a byte); then of each group four
-- values: bucket and pair as they should be, with the mark set, and as they shall become.
-- Replies with the numbers of the groups that were not so, a byte each: nothing of them is changed.
local function compare_and_swap(keys, args)
  local held = call('MGET', unpack(keys))
  local writes, used = {}, 0
  local missed, marks
  local arg = 3
  for at = 1, #keys, 2 do
    local pair, expected = held[at + 1], args[arg + 1]
    local same = held[at] == args[arg]
    if same and pair ~= expected then  -- it may be that a checkpoint took the mark
      same = pair == sub(expected, 1, MARK_AT - 1) .. '\0' .. sub(expected, MARK_AT + 1)
      if same then marks = add_mark(marks, byte(args[1], (at + 1) / 2), keys[at + 1]) end
    end
    if same then
      writes[used + 1], writes[used + 2] = keys[at], args[arg + 2]
      writes[used + 3], writes[used + 4] = keys[at + 1], args[arg + 3]
      used = used + 4
    else
      missed = missed or {}
      missed[(at + 1) / 2] = true
    end
    arg = arg + 4
  end

  local sessions = {}
  local more = args[2]
  for i = 1, #more, 2 do
    local group, what = byte(more, i, i + 1)
    if not (missed and missed[group]) then
      local key = keys[2 * group]
      if what % 2 == MARK_ANEW then marks = add_mark(marks, byte(args[1], group), key) end
      if what >= RENEW_SESSION then
        local prefix, student, module = parts_of(key)
        local window = sub(args[4 * group + 2], COUNTED_BYTES + 1, HEAD_BYTES)
        sessions[session_key_of(prefix, student, unpack_bytes('>I8', window))] =
          sub(window, 9) .. module
      end
    end
  end
  if marks then
    for dirty_key, members in pairs(marks) do call('SADD', dirty_key, unpack(members)) end
  end
  for key, value in pairs(sessions) do call('SET', key, value, 'PX', SESSION_TTL_MS) end
  if used > 0 then call('MSET', unpack(writes, 1, used)) end
  if not missed then return '' end
  local out = {}
  for group in pairs(missed) do out[#out + 1] = BYTE[group] end
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
    local student = pcall_redis('GET', student_key)
    if type(student) == 'table' then  -- of a foreign type
      corrupt = corrupt + 1
    elseif student ~= ERASED then
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
          marked = mark_dirty and 1 or 0, windows = NO_WINDOWS })
        local module = sub(member, string.find(member, '/', 1, true) + 1)
        call('SADD', pairs_key, module)
      else
        local before = pack(NUMBERS, held.covered_ms, held.duration_ms, held.resume_ms,
          held.playtime_ms, held.resume_at_ms, held.updated_ms, held.mastered_ms, 0, 0)
        local stored, united, united_ms, pieces = held.covered, held.covered, held.covered_ms, 0
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
          local changed = after ~= before or held.covered ~= stored
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
  local values = call('MGET', unpack(keys, 2))
  local members, writes = {}, {}
  for i = 2, #keys do
    local version = unpack_bytes('>I8', args[1], (i - 2) * 8 + 1)
    local key, value = keys[i], values[i - 1]
    if not value then  -- gone, unless of a foreign type
      if version == 0 and load_value(key) == nil then
        members[#members + 1] = member_of(key, dirty_key)
      end
    elseif #value >= COUNTED_BYTES and unpack_bytes('>I8', value, VERSION_AT) == version then
      members[#members + 1] = member_of(key, dirty_key)
      if byte(value, MARK_AT) ~= 0 then
        writes[#writes + 1] = key
        writes[#writes + 1] = sub(value, 1, MARK_AT - 1) .. '\0' .. sub(value, MARK_AT + 1)
      end
    end
  end
  if not members[1] then return 0 end
  local cleaned = call('SREM', dirty_key, unpack(members))
  if writes[1] then call('MSET', unpack(writes)) end
  return cleaned
end

-- KEYS: student, pairs and dirty key. Forgets the student's pairs and refuses credit from now on.
-- The replay windows of the pairs stay, in the keys of their sessions.
local function erase(keys)
  local student_key, pairs_key, dirty_key = keys[1], keys[2], keys[3]
  local partition = sub(dirty_key, 1, -6)  -- "wk:{p17}:" of "wk:{p17}:dirty"
  local student = sub(student_key, #partition + 9)  -- what follows "student:"
  for _, module in ipairs(call('SMEMBERS', pairs_key)) do
    local member = student .. '/' .. module
    local pair_key = partition .. 'progress:' .. member
    local held = load_pair(pair_key)
    if held then
      for at = 2, #held.windows, TAGGED_BYTES do
        local tag = unpack_bytes('>I8', held.windows, at)
        call('SET', session_key_of(partition, student, tag),
          sub(held.windows, at + 8, at + TAGGED_BYTES - 1) .. module, 'PX', SESSION_TTL_MS)
      end
    end
    call('UNLINK', pair_key)
    call('SREM', dirty_key, member)
  end
  call('UNLINK', pairs_key)
  call('SET', student_key, ERASED, 'PX', ERASED_TTL_MS)
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
  text[#text + 1] = 'sessions=' .. byte(held.windows)
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
      floor, sub, byte, concat = math.floor, string.sub, string.byte, table.concat
      for i = 0, 255 do
        BYTE[i] = string.char(i)
        DIRTY[i] = string.format('wk:{p%d}:dirty', i)
      end
    end
    return body(keys, args)
  end
end

-- Without allow-oom Redis refuses a call at its start when memory is full, before anything happens.
-- What frees memory, or has to go through all the same, is let through.
redis.register_function('wk_credit', bound(credit))
redis.register_function('wk_cas', bound(compare_and_swap))
redis.register_function('wk_merge', bound(merge))
redis.register_function{ function_name = 'wk_mark_clean', callback = bound(mark_clean),
  flags = { 'allow-oom' } }
redis.register_function{ function_name = 'wk_erase', callback = bound(erase), flags = { 'allow-oom' } }
redis.register_function{ function_name = 'wk_readmit', callback = bound(readmit),
  flags = { 'allow-oom' } }
redis.register_function{ function_name = 'wk_show', callback = bound(show), flags = { 'no-writes' } }
redis.register_function{ function_name = 'wk_version', callback = function() return VERSION end,
  flags = { 'no-writes' } }
