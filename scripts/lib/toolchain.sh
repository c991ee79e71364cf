# Puts Node.js and npm on PATH: those of the machine where they are new enough, else the ones that
# scripts/lib/install-node keeps below build/toolchain, and installs at the first time. A script that runs
# either includes this file. It gives 1, with the reason on standard error, where that fails.

# node_is_new_enough: as "engines" in package.json asks for, ^20.19.0 || >=22.12.0.
node_is_new_enough() {
  local version
  command -v npm >/dev/null && version=$(node --version 2>/dev/null) || return 1
  [[ $version =~ ^v([0-9]+)\.([0-9]+)\. ]] || return 1
  case "${BASH_REMATCH[1]}" in
    20) ((BASH_REMATCH[2] >= 19)) ;;
    22) ((BASH_REMATCH[2] >= 12)) ;;
    *) ((BASH_REMATCH[1] >= 23)) ;;
  esac
}

if ! node_is_new_enough; then
  node_folder=$("$(dirname "${BASH_SOURCE[0]}")/install-node") || return 1
  export PATH="$node_folder/bin:$PATH"
  unset node_folder
fi
