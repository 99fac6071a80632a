# What the scripts need of the machine. Sourced by them, from the root of the repository.
# Each function installs what is missing if it can, or ends with one line that says what to install.

# go.mod's go line; the go command fetches a newer toolchain by itself if it may.
require_go() {
  command -v go >/dev/null || { echo "Go is missing: install Go $(sed -n 's/^go //p' go.mod) or newer from https://go.dev/dl/" >&2; exit 1; }
}

require_node() {
  local major
  major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null) || major=0
  [ "$major" -ge 20 ] || { echo "Node.js is missing or old: install Node.js 20 or newer from https://nodejs.org/" >&2; exit 1; }
}

# download COMMAND…: runs what fetches something, up to three times, for a network may fail for a moment.
download() {
  local attempt
  for attempt in 1 2 3; do
    "$@" && return
    echo "Attempt $attempt of 3 failed: $*" >&2
    [ "$attempt" -eq 3 ] || sleep $((attempt * 5))
  done
  return 1
}

# require_debian COMMAND PACKAGE…: install the packages unless the command is there.
require_debian() {
  local command=$1 sudo=()
  shift
  command -v "$command" >/dev/null && return
  if ! command -v apt-get >/dev/null; then
    echo "$command is missing: install $*" >&2
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      echo "$command is missing: run  sudo apt-get install -y $*" >&2
      exit 1
    fi
    sudo=(sudo -n)
  fi
  echo "Installing $* …"
  download "${sudo[@]}" apt-get update -qq >/dev/null &&
    download "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null ||
    { echo "$command is missing and could not be installed: run  apt-get install -y $*" >&2; exit 1; }
}

# npm_install DIR: the exact packages of its lock file, unless they are there already.
npm_install() {
  local lock=$1/package-lock.json installed=$1/node_modules/.installed-lock.json
  if ! cmp -s "$lock" "$installed"; then
    echo "Installing the packages of $1 …"
    download npm --prefix "$1" ci --no-audit --no-fund --loglevel=error >/dev/null ||
      { echo "The packages of $1 could not be installed: see npm's errors above" >&2; return 1; }
    cp "$lock" "$installed"
  fi
}
