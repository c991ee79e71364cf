#!lua name=watchkeeper
-- The hot store's half that runs inside Redis 7. It decides nothing: the gateway computes what a heartbeat earns
-- (domain/credit.hpp), and these functions compare what Redis holds with what the gateway read, and write. The keys,
-- values, arguments and replies are specified in docs/storage-format.md.

local VERSION = 8

local SESSION_TTL_MS = 3600000
local ENDED_TTL_MS = 86400000

-- A pair and a student begin with a format byte, the mark (of a pair, 1: it is in the dirty set), the nonce and the
-- epoch. Of a pair follow: attempt, compared_in, begins_ms, covered_ms, duration_ms, resume_ms, playtime_ms,
-- resume_at_ms, updated_ms, mastered_ms, number of windows; the windows, each led by the tag of its session; the pieces
-- of the coverage.
local MARK_AT, NONCE_AT, HEADER_BYTES = 2, 3, 10
local NO_NONCE = '\0\0\0\0\0\0\0\0'
local NUMBERS = '>I4I4i8i8I4I4I4i8i8i8i8B'
local COUNTED_BYTES, TAGGED_BYTES, PIECE_BYTES = 79, 24, 8
-- Format 3 had no lives: no epoch to begins_ms in a pair, no epoch in a student, and one value for all who were erased.
local FORMAT, FORMAT_3, COUNTED_BYTES_3, ERASED_3, ERASED_3_NONCE = 0x84, 0x83, 55, 'erased', 'erased\0\0'

-- What wk_swap does with a pair beside the write.
local DIRTY_PAIR, MARK_ANEW, NEW_PAIR = 1, 2, 4

local call, unpack_bytes, sub, byte  -- see `bound`

-- The parts of "wk:{p17}:progress:<student>/<module>".
local function parts_of(pair_key)
  return string.match(pair_key, '^(wk:{p%d+}:)progress:([^/]+)/(.+)$')
end

local function add_to(sets, key, member)
  local members = sets[key] or {}
  sets[key], members[#members + 1] = members, member
end

-- Whether a key holds what the gateway expects. What is absent for MGET may be of a foreign type.
local function is_expected(value, key, nonce)
  if value == ERASED_3 then return nonce == ERASED_3_NONCE end
  if value then return sub(value, NONCE_AT, HEADER_BYTES) == nonce end
  return nonce == NO_NONCE and call('EXISTS', key) == 0
end

-- KEYS: of each group its student, its pairs and its sessions. ARGV[1]: of each group `u16` number of pairs, `u16`
-- number of sessions, `u8` 1 if the student is written, the nonce of the student; of each pair `u8` what else to do,
-- its nonce; of each session `u8` 1 to compare it. A nonce of zeros: the key is absent. The values follow: that of
-- the student if it is written, those of the pairs, and of each session the expected value (empty: absent; used only
-- if it is compared) and the new one. Replies with an empty string; or, if groups were not as expected, with their
-- numbers, a byte each, and then what their keys hold (empty: absent). Nothing of these groups is changed.
local function compare_and_swap(keys, args)
  local plan = args[1]
  local held = call('MGET', unpack(keys))
  local writes, used = {}, 0
  local sets, sessions = {}, {}
  local missed, found = '', nil
  local group, at, key, arg = 0, 1, 1, 2
  while at <= #plan do
    group = group + 1
    local pair_count, session_count, writes_student = unpack_bytes('>I2I2B', plan, at)
    local same = is_expected(held[key], keys[key], sub(plan, at + 5, at + 12))
    at = at + 13
    local pair_arg = arg + writes_student
    local session_key, session_arg, session_at = key + 1 + pair_count, pair_arg + pair_count, at + 9 * pair_count
    for i = 1, pair_count do
      local nonce_at = at + 9 * i - 8
      same = same and is_expected(held[key + i], keys[key + i], sub(plan, nonce_at, nonce_at + 7))
    end
    for i = 0, session_count - 1 do
      if same and byte(plan, session_at + i) == 1 then
        same = (held[session_key + i] or '') == args[session_arg + 2 * i]
      end
    end
    if not same then
      missed = missed .. string.char(group)
      found = found or { '' }
      for i = key, session_key + session_count - 1 do found[#found + 1] = held[i] or '' end
    else
      if writes_student == 1 then
        writes[used + 1], writes[used + 2] = keys[key], args[arg]
        used = used + 2
      end
      for i = 1, pair_count do
        local pair_key, value, what = keys[key + i], args[pair_arg + i - 1], byte(plan, at + 9 * i - 9)
        local mark = held[key + i] and byte(held[key + i], MARK_AT) or 0
        if what % 2 ~= DIRTY_PAIR then  -- a checkpoint may have taken the mark since the gateway read it
          if byte(value, MARK_AT) ~= mark then value = sub(value, 1, 1) .. string.char(mark) .. sub(value, NONCE_AT) end
        elseif mark == 0 or what % NEW_PAIR >= MARK_ANEW then
          local prefix, student, module = parts_of(pair_key)
          add_to(sets, prefix .. 'dirty', student .. '/' .. module)
        end
        if what >= NEW_PAIR then
          local prefix, student, module = parts_of(pair_key)
          add_to(sets, prefix .. 'pairs:' .. student, module)
        end
        writes[used + 1], writes[used + 2] = pair_key, value
        used = used + 2
      end
      for i = 0, session_count - 1 do sessions[keys[session_key + i]] = args[session_arg + 2 * i + 1] end
    end
    key, arg, at = session_key + session_count, session_arg + 2 * session_count, session_at + session_count
  end
  -- The sets first: that can fail, on a key of a foreign type.
  for set_key, members in pairs(sets) do call('SADD', set_key, unpack(members)) end
  for session_key, value in pairs(sessions) do call('SET', session_key, value, 'PX', SESSION_TTL_MS) end
  if used > 0 then call('MSET', unpack(writes, 1, used)) end
  if not found then return '' end
  found[1] = missed
  return found
end

-- KEYS: dirty key, then pair keys. ARGV: their nonces in one string; zeros stand for a pair that was not there.
-- Takes the mark from each that is still so.
local function mark_clean(keys, args)
  local values = call('MGET', unpack(keys, 2))
  local members, writes = {}, {}
  for i = 2, #keys do
    local value = values[i - 1]
    if is_expected(value, keys[i], sub(args[1], 8 * i - 15, 8 * i - 8)) then
      local _, student, module = parts_of(keys[i])
      members[#members + 1] = student .. '/' .. module
      if value and byte(value, MARK_AT) ~= 0 then
        writes[#writes + 1] = keys[i]
        writes[#writes + 1] = sub(value, 1, 1) .. '\0' .. sub(value, NONCE_AT)
      end
    end
  end
  if not members[1] then return 0 end
  local cleaned = call('SREM', keys[1], unpack(members))
  if writes[1] then call('MSET', unpack(writes)) end
  return cleaned
end

-- The epoch of a student or of a pair; 0 for what is no such value.
local function epoch_of(value)
  if type(value) ~= 'string' then return 0 end
  if value == ERASED_3 then return 2 end
  if byte(value) == FORMAT_3 then return 1 end
  if byte(value) ~= FORMAT or #value < HEADER_BYTES + 4 then return 0 end
  return (unpack_bytes('>I4', value, HEADER_BYTES + 1))
end

-- Takes a pair out. Its windows that were renewed after the second `since_s` stay, in the keys of their sessions.
local function remove(pair_key, value, since_s)
  local prefix, student, module = parts_of(pair_key)
  local counted = byte(value) == FORMAT_3 and COUNTED_BYTES_3 or COUNTED_BYTES
  local last = math.min(#value, counted + (byte(value, counted) or 0) * TAGGED_BYTES)
  for at = counted + 1, last - TAGGED_BYTES + 1, TAGGED_BYTES do
    if unpack_bytes('>I4', value, at + 20) > since_s then
      call('SET', string.format('%ssession:%s/%014x', prefix, student, unpack_bytes('>I8', value, at)),
        sub(value, at + 8, at + TAGGED_BYTES - 1) .. module, 'PX', SESSION_TTL_MS)
    end
  end
  call('UNLINK', pair_key)
  call('SREM', prefix .. 'pairs:' .. student, module)
end

-- KEYS: student, pairs and dirty key. ARGV[1]: the value of a student with an epoch in which nothing was earned. Ends
-- the epochs below it.
local function end_epochs(keys, args)
  local prefix = sub(keys[3], 1, -6)  -- "wk:{p17}:" of "wk:{p17}:dirty"
  local student = sub(keys[1], #prefix + 9)  -- what follows "student:"
  local epoch = epoch_of(redis.pcall('GET', keys[1]))
  if epoch < epoch_of(args[1]) then
    epoch = epoch_of(args[1])
    call('SET', keys[1], args[1], 'PX', ENDED_TTL_MS)
  end
  for _, module in ipairs(call('SMEMBERS', keys[2])) do
    local pair_key = prefix .. 'progress:' .. student .. '/' .. module
    local value = redis.pcall('GET', pair_key)
    if epoch_of(value) < epoch then
      remove(pair_key, type(value) == 'string' and value or '', -1)
      call('SREM', keys[3], student .. '/' .. module)
    end
  end
  return 1
end

-- KEYS: pairs. ARGV: their nonces in one string; the second for `remove`. Takes out each pair that is still so and not
-- dirty. A student without pairs expires once the bucket counts as absent.
local function retire(keys, args)
  local values, retired = call('MGET', unpack(keys)), 0
  for i, key in ipairs(keys) do
    local prefix, student, module = parts_of(key)
    if is_expected(values[i], key, sub(args[1], 8 * i - 7, 8 * i))
      and call('SISMEMBER', prefix .. 'dirty', student .. '/' .. module) == 0 then
      remove(key, values[i], tonumber(args[2]))
      if call('SCARD', prefix .. 'pairs:' .. student) == 0 then
        call('PEXPIRE', prefix .. 'student:' .. student, ENDED_TTL_MS)
      end
      retired = retired + 1
    end
  end
  return retired
end

-- KEYS: pair key. What an operator wants to see of it, in text: FCALL_RO wk_show 1 <key>
local function show(keys)
  local value = redis.pcall('GET', keys[1])
  if value == false then return 'none' end
  if type(value) == 'string' and byte(value) == FORMAT_3 then
    value = sub(value, 1, HEADER_BYTES) .. struct.pack('>I4I4i8i8', 1, 1, 0, 0) .. sub(value, HEADER_BYTES + 1)
  end
  if type(value) ~= 'string' or #value < COUNTED_BYTES then return 'corrupt' end
  local epoch, attempt, _, _, covered_ms, duration_ms, resume_ms, playtime_ms, resume_at_ms, updated_ms, mastered_ms,
    windows = unpack_bytes(NUMBERS, value, HEADER_BYTES + 1)
  local text = { string.format('covered_ms=%.0f duration_ms=%.0f playtime_ms=%.0f resume_ms=%.0f resume_at_ms=%.0f ' ..
    'updated_ms=%.0f mastered_ms=%.0f marked=%.0f sessions=%.0f epoch=%.0f attempt=%.0f state=%s', covered_ms,
    duration_ms, playtime_ms, resume_ms, resume_at_ms, updated_ms, mastered_ms, byte(value, MARK_AT), windows, epoch,
    attempt, mastered_ms ~= 0 and 'MASTERED' or 'IN_PROGRESS') }
  for i = COUNTED_BYTES + windows * TAGGED_BYTES + 1, #value - PIECE_BYTES + 1, PIECE_BYTES do
    text[#text + 1] = string.format('[%.0f,%.0f)', unpack_bytes('>I4I4', value, i))
  end
  return table.concat(text, ' ')
end

-- Lua's libraries and redis.call exist only once a function runs, not while this file is loaded.
local function bound(body)
  return function(keys, args)
    call, unpack_bytes, sub, byte = redis.call, struct.unpack, string.sub, string.byte
    return body(keys, args)
  end
end

-- Without allow-oom Redis refuses a call at its start when memory is full, before anything happens. What frees memory,
-- or has to go through all the same, is let through.
redis.register_function('wk_swap', bound(compare_and_swap))
redis.register_function{ function_name = 'wk_mark_clean', callback = bound(mark_clean), flags = { 'allow-oom' } }
redis.register_function{ function_name = 'wk_end_epochs', callback = bound(end_epochs), flags = { 'allow-oom' } }
redis.register_function{ function_name = 'wk_retire', callback = bound(retire), flags = { 'allow-oom' } }
redis.register_function{ function_name = 'wk_show', callback = bound(show), flags = { 'no-writes' } }
redis.register_function{ function_name = 'wk_version', callback = function() return VERSION end,
  flags = { 'no-writes' } }
