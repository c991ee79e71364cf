#!lua name=watchkeeper
-- The hot store's half that runs inside Redis 7. It decides nothing: the gateway computes what a heartbeat earns
-- (domain/credit.hpp), and these functions compare what Redis holds with what the gateway read, and write. The keys,
-- values, arguments and replies are specified in docs/storage-format.md.

local VERSION = 9
local SESSION_TTL_MS, ENDED_TTL_MS = 3600000, 86400000

-- A pair and a student begin with a format byte, the mark (of a pair, 1: it is in the dirty set) and the nonce.
local MARK_AT, NONCE_AT, HEADER_BYTES, NO_NONCE = 2, 3, 10, '\0\0\0\0\0\0\0\0'
-- Format 3 had one value for all students who were erased.
local ERASED_3, ERASED_3_NONCE = 'erased', 'erased\0\0'

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

local function with_mark(value, mark)
  return sub(value, 1, 1) .. string.char(mark) .. sub(value, NONCE_AT)
end

-- Whether a key holds what the gateway expects. What is absent for MGET may be of a foreign type.
local function is_expected(value, key, nonce)
  if value == ERASED_3 then return nonce == ERASED_3_NONCE end
  if value then return sub(value, NONCE_AT, HEADER_BYTES) == nonce end
  return nonce == NO_NONCE and call('EXISTS', key) == 0
end

-- wk_swap: writes the values of each group of keys if they are as expected.
local function compare_and_swap(keys, args)
  local plan, held = args[1], call('MGET', unpack(keys))
  local writes, used, sets, sessions = {}, 0, {}, {}
  local missed, found, group, at, key, arg = '', nil, 0, 1, 1, 2
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
      missed, found = missed .. string.char(group), found or { '' }
      for i = key, session_key + session_count - 1 do found[#found + 1] = held[i] or '' end
    else
      if writes_student == 1 then
        writes[used + 1], writes[used + 2], used = keys[key], args[arg], used + 2
      end
      for i = 1, pair_count do
        local pair_key, value, what = keys[key + i], args[pair_arg + i - 1], byte(plan, at + 9 * i - 9)
        local mark = held[key + i] and byte(held[key + i], MARK_AT) or 0
        local is_dirtied = what % 2 == DIRTY_PAIR and (mark == 0 or what % NEW_PAIR >= MARK_ANEW)
        -- A checkpoint may have taken the mark since the gateway read it.
        if what % 2 ~= DIRTY_PAIR and byte(value, MARK_AT) ~= mark then value = with_mark(value, mark) end
        if is_dirtied or what >= NEW_PAIR then
          local prefix, student, module = parts_of(pair_key)
          if is_dirtied then add_to(sets, prefix .. 'dirty', student .. '/' .. module) end
          if what >= NEW_PAIR then add_to(sets, prefix .. 'pairs:' .. student, module) end
        end
        writes[used + 1], writes[used + 2], used = pair_key, value, used + 2
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

-- wk_mark_clean: takes the mark from each pair that is as expected.
local function mark_clean(keys, args)
  local values, members, writes = call('MGET', unpack(keys, 2)), {}, {}
  for i = 2, #keys do
    local value = values[i - 1]
    if is_expected(value, keys[i], sub(args[1], 8 * i - 15, 8 * i - 8)) then
      local _, student, module = parts_of(keys[i])
      members[#members + 1] = student .. '/' .. module
      if value and byte(value, MARK_AT) ~= 0 then
        writes[#writes + 1], writes[#writes + 2] = keys[i], with_mark(value, 0)
      end
    end
  end
  if not members[1] then return 0 end
  local cleaned = call('SREM', keys[1], unpack(members))
  if writes[1] then call('MSET', unpack(writes)) end
  return cleaned
end

-- wk_take_out: takes pairs of a student out, and writes their windows, if all of them and the student are as expected.
local function take_out(keys, args)
  local student_key, pairs_key, dirty_key, last = keys[1], keys[2], keys[3], 3 + #args[1] / 8
  local held, modules, members = call('MGET', student_key, unpack(keys, 4, last)), {}, {}
  if args[2] ~= '' and not is_expected(held[1], student_key, args[2]) then return 0 end
  for i = 4, last do
    local _, student, module = parts_of(keys[i])
    modules[i - 3], members[i - 3] = module, student .. '/' .. module
    if not is_expected(held[i - 2], keys[i], sub(args[1], 8 * i - 31, 8 * i - 24))
      or args[4] == '' and call('SISMEMBER', dirty_key, members[i - 3]) == 1 then return 0 end
  end
  if modules[1] then
    call('SREM', pairs_key, unpack(modules))
    call('SREM', dirty_key, unpack(members))
    call('UNLINK', unpack(keys, 4, last))
  end
  for i = last + 1, #keys do call('SET', keys[i], args[i - last + 4], 'PX', SESSION_TTL_MS) end
  if args[3] ~= '' then call('SET', student_key, args[3]) end
  if args[3] ~= '' or call('SCARD', pairs_key) == 0 then call('PEXPIRE', student_key, ENDED_TTL_MS) end
  return 1
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
redis.register_function{ function_name = 'wk_take_out', callback = bound(take_out), flags = { 'allow-oom' } }
redis.register_function{ function_name = 'wk_version', callback = function() return VERSION end,
  flags = { 'no-writes' } }
