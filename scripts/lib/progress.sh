# Says in one line what a command does while it takes long. A script includes this file.

# progress_in LOG: how far apt or ninja has come, as its log says; nothing where the log does not say it.
progress_in() {
  tail -n 60 "$1" 2>/dev/null | awk '
    match($0, /^\[[0-9]+\/[0-9]+\]/) {
      split(substr($0, 2, RLENGTH - 2), step, "/")
      text = sprintf("step %d of %d, %d %%", step[1], step[2], 100 * step[1] / step[2])
    }
    /^dlstatus:/ { split($0, field, ":"); text = sprintf("downloading, %d %%", field[3]) }
    /^pmstatus:/ { split($0, field, ":"); text = sprintf("unpacking, %d %%", field[3]) }
    /^(Get|Hit|Ign|Reading|Fetched)/ { text = "" }
    /[Cc]ould not get lock/ { text = "waiting for another apt to finish" }
    END { print text }'
}

# duration SECONDS: 0:07, 12:30
duration() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# Shows the line once a second on a terminal, and every 30 seconds elsewhere, as long as the script runs.
show_progress() {
  local text=$1 log=$2 script=$3 begin=$SECONDS took far line width
  trap - EXIT INT TERM
  while sleep 1 >/dev/null 2>&1 && kill -0 "$script" 2>/dev/null; do
    took=$((SECONDS - begin))
    [ -t 1 ] || ((took == 1 || took % 30 == 0)) || continue
    far=$(progress_in "$log")
    line="$text${far:+: $far}"
    if [ -t 1 ]; then
      line+=" ($(duration "$took"))"
      width=$(stty size 2>/dev/null <&1 | cut -d ' ' -f 2)
      ((${width:-0} > 1)) || width=80
      printf '\r\033[K%s' "${line:0:width-1}"
    else
      printf '%s\n' "$line"
    fi
  done
}

# end_progress: for a script's trap, where the command was interrupted.
progress_display=
end_progress() {
  [ -n "$progress_display" ] || return 0
  kill "$progress_display" 2>/dev/null
  wait "$progress_display" 2>/dev/null
  progress_display=
  if [ -t 1 ]; then printf '\r\033[K'; fi
}

# with_progress TEXT LOG COMMAND…: runs the command, its output goes to LOG. Gives its exit code.
with_progress() {
  local text=$1 log=$2 begin=$SECONDS code=0 script=$BASHPID
  shift 2
  : >"$log" || return 1
  show_progress "$text" "$log" "$script" &
  progress_display=$!
  "$@" >"$log" 2>&1 || code=$?
  end_progress || true
  if [ -t 1 ] && ((SECONDS - begin > 1)); then printf '%s (%s)\n' "$text" "$(duration $((SECONDS - begin)))"; fi
  return "$code"
}
