# Steps of a test run: how they are defined, run, limited, counted and reported. scripts/test includes it.
#
# define ID LIMIT-S KIND PLACE "NEEDED ID…" WHAT   and a function run_ID, with - in the id as _
#   KIND   check    one check, by the exit code
#          ctest    the test cases that Boost.Test counts, in the log of ctest
#          counted  the last line "N passed, M failed" of the log
#   PLACE  first    in order, before the others
#          front    in order
#          beside   on the time that the front leaves, and reported when the front is through
#          long     as front, but only with --all or by name
# Set before: $logs (a folder).
# shellcheck disable=SC2034,SC2154 # variables of the script that includes this

step_ids=()
declare -A step_limit=() step_kind=() step_place=() step_needs=() step_what=() step_code=()
define() {
  step_ids+=("$1")
  step_limit[$1]=$2 step_kind[$1]=$3 step_place[$1]=$4 step_needs[$1]=$5 step_what[$1]=$6
}

passed=0
failed=0
started=$SECONDS

# The part of a failed step's log that tells why: around the errors, and its end. All of it if short.
show_failure() {
  local log=$1 excerpt
  if [ "$(wc -l <"$log")" -le 60 ]; then
    excerpt=$(cat "$log")
  else
    excerpt=$(
      # First the lines that name a failed test: what only looks like an error must not crowd them out.
      grep -n -E '^ *not ok |^ *✖ ' "$log" | head -n 40
      echo '…'
      grep -n -i -E -B 2 -A 12 \
        'error[: ]|ERROR:|runtime error|fatal|FAILED|\*\*\*Failed|not ok |✖|assertion .*failed|Sanitizer' "$log" |
        head -n 160
      echo '…'
      tail -n 25 "$log"
    )
  fi
  printf '%s\n' "$excerpt" | sed 's/^/    | /'
  echo "    the whole log: $log"
}

# report MARK SECONDS ID [REMARK]
report() { printf '%-5s %7s s  %-12s %s%s\n' "$1" "$2" "$3" "${step_what[$3]}" "${4:+  ($4)}"; }

finish() {
  printf '%d s in all; logs in %s\n' "$((SECONDS - started))" "$logs"
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
  exit
}

# -- running one step ------------------------------------------------------------------------------

group='' # the process group of the step that runs in this shell

# Whether a process group has a process that runs. `kill -0` would count those that ended and that nobody waited for;
# in a container whose first process waits for none, they never go.
group_runs() {
  local file line state leader
  for file in /proc/[0-9]*/stat; do
    # PID (NAME) STATE PARENT GROUP …, and a name may have blanks and parentheses.
    { read -r line <"$file"; } 2>/dev/null || continue
    read -r state _ leader _ <<<"${line##*) }"
    [ "$leader" != "$1" ] || [[ $state == [ZX] ]] || return 0
  done
  return 1
}

# Ends a process group: asked first, so that what it started outside of it is ended as well.
end_group() {
  local end=$((SECONDS + 30))
  kill -TERM -- "-$1" 2>/dev/null || return 0
  while group_runs "$1"; do
    ((SECONDS < end)) || {
      kill -KILL -- "-$1" 2>/dev/null
      return 0
    }
    sleep 0.2
  done
}

# limited SECONDS COMMAND…: in a process group of its own, which is ended when the time is over; 124 then.
limited() {
  local limit=$1 timer first code=0
  shift
  set -m
  "$@" &
  group=$!
  set +m
  sleep "$limit" &
  timer=$!
  wait -n -p first "$group" "$timer" || code=$?
  if [ "$first" = "$timer" ]; then
    end_group "$group"
    wait "$group" 2>/dev/null
    code=124
  else
    kill "$timer"
    # What it left behind in its group.
    end_group "$group"
  fi
  group=
  return "$code"
}

# run_step ID: leaves "exit-code seconds" in its result file.
run_step() {
  local begin code=0
  begin=$(date +%s.%N)
  limited "${step_limit[$1]}" "run_${1//-/_}" >"$logs/$1.log" 2>&1 || code=$?
  echo "$code $(awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')" >"$logs/$1.result.new"
  mv "$logs/$1.result.new" "$logs/$1.result"
}

# -- counting --------------------------------------------------------------------------------------

# Test cases, not programs. A program that gave no report, because it died or ran out of time, counts as one
# failed test. Prints "passed failed".
count_ctest() {
  sed 's/^[0-9]*: //' "$1" | awk '
    /^[ \t]*[0-9]+ test cases? out of [0-9]+ passed/ { passed += $1 }
    /^[ \t]*[0-9]+ test cases? out of [0-9]+ (failed|aborted)/ { failed += $1 }
    / tests? failed out of / { programs_failed = $4; programs = $NF }
    END {
      if (failed < programs_failed) failed = programs_failed
      if (programs == 0) failed++
      print passed + 0, failed + 0
    }'
}
count_counted() {
  local last
  last=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 1)
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then echo "${BASH_REMATCH[@]:1:2}"; else echo '0 0'; fi
}

# judge ID: reads the result that run_step left, counts and reports it.
judge() {
  local id=$1 code duration p=0 f=0 remark
  read -r code duration <"$logs/$id.result"
  case "${step_kind[$id]}" in
    check) [ "$code" != 0 ] || p=1 ;;
    *) read -r p f < <("count_${step_kind[$id]}" "$logs/$id.log") ;;
  esac
  [ "$code" = 0 ] || [ "$f" != 0 ] || f=1
  [ "$p" != 0 ] || [ "$f" != 0 ] || f=1 # a step of tests that ran none
  passed=$((passed + p))
  failed=$((failed + f))
  step_code[$id]=$code
  if [ "$f" = 0 ]; then
    [ "${step_kind[$id]}" = check ] && remark= || remark="$p passed"
    report ok "$duration" "$id" "$remark"
    return
  fi
  step_code[$id]=1
  remark="exit code $code"
  [ "$code" != 124 ] || remark="not over after ${step_limit[$id]} s, and ended"
  [ "${step_kind[$id]}" = check ] || remark="$p passed, $f failed, $remark"
  report FAIL "$duration" "$id" "$remark; the cause follows"
  show_failure "$logs/$id.log"
}

# lacks ID: prints a step that it needs and that failed; false if there is none.
lacks() {
  local needed
  for needed in ${step_needs[$1]}; do
    [ "${step_code[$needed]:-0}" = 0 ] || {
      echo "$needed"
      return 0
    }
  done
  return 1
}

# run_front ID: runs and reports it, unless something that it needs has failed.
run_front() {
  local needed
  if needed=$(lacks "$1"); then
    step_code[$1]=1
    report skip - "$1" "needs $needed, which failed"
    return
  fi
  rm -f "$logs/$1.result"
  run_step "$1"
  judge "$1"
}

# -- beside ----------------------------------------------------------------------------------------

beside='' # the process that runs them

# begin_beside ID…: one after the other, only on time that nobody else wants.
begin_beside() {
  local id
  for id in "$@"; do rm -f "$logs/$id.result"; done
  {
    trap '[ -z "$group" ] || end_group "$group"' EXIT
    trap 'exit 143' TERM
    chrt --idle --pid 0 "$BASHPID" || renice -n 19 -p "$BASHPID"
    for id in "$@"; do run_step "$id"; done
  } >/dev/null 2>&1 &
  beside=$!
}
# await_beside ID: waits until it is through, and reports it.
await_beside() {
  until [ -f "$logs/$1.result" ]; do
    kill -0 "$beside" 2>/dev/null || [ -f "$logs/$1.result" ] || {
      echo 'what runs beside the others has ended before this step began' >"$logs/$1.log"
      echo '1 0' >"$logs/$1.result"
    }
    sleep 0.2
  done
  judge "$1"
}

# Nothing outlives this script.
end_steps() {
  [ -z "$beside" ] || ! kill -TERM "$beside" 2>/dev/null || wait "$beside" 2>/dev/null
  [ -z "$group" ] || end_group "$group"
}
trap end_steps EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
