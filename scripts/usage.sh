# Read by the other scripts before they do anything: --help shows the comment at the script's head.
for argument in "$@"; do
  case "$argument" in
    -h | --help)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
      exit 0
      ;;
  esac
done
