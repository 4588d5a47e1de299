# Shared by deploy/quickstart.sh and tests/run.sh: messages, package installation, cache folders.
# shellcheck shell=bash

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$(printf '\033[1m') dim=$(printf '\033[2m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
else
  bold='' dim='' red='' plain=''
fi

# Processes to end when the script ends.
children=()

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*" >&2; }
note() { printf '%s    %s%s\n' "$dim" "$*" "$plain" >&2; }
die() {
  printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2
  exit 4
}

# step TEXT COMMAND…: runs a command whose output goes to $log_dir/last-step.log and is shown only
# when it fails; a line with the seconds keeps a person company on a terminal.
step() {
  local text=$1 start=$SECONDS log
  shift
  log="${log_dir:-/tmp}/step-$(printf '%s' "$text" | tr -cs 'a-zA-Z0-9' '-').log"
  "$@" > "$log" 2>&1 &
  local pid=$!
  # Known to the caller's clean-up, so that Ctrl-C ends it too: the shell starts it deaf to SIGINT.
  children+=("$pid")
  while kill -0 "$pid" 2> /dev/null; do
    if [ -t 2 ]; then
      printf '\r%s==>%s %s … %ss ' "$bold" "$plain" "$text" "$((SECONDS - start))" >&2
    fi
    sleep 0.2
  done
  [ -t 2 ] && printf '\r\033[K' >&2
  if wait "$pid"; then
    say "$text ($((SECONDS - start)) s)"
  else
    tail -n 40 "$log" >&2
    die "$text failed; the whole output is in $log"
  fi
}

# packages PACKAGE…: installs what is missing, without a question.
packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2> /dev/null || die "these packages are missing; install them and run this again: sudo apt-get install ${missing[*]}"
    sudo=(sudo -n)
  fi
  step "installing Debian packages: ${missing[*]}" \
    "${sudo[@]}" sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"' sh "${missing[@]}"
}

need() { command -v "$1" > /dev/null || die "'$1' is not here; $2"; }

# python_tools VENV REQUIREMENT…: a virtual environment with the packages, filled once.
python_tools() {
  local venv=$1
  shift
  [ -e "$venv/.complete-$(printf '%s' "$*" | cksum | cut -d' ' -f1)" ] && return 0
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check "$@"
  touch "$venv/.complete-$(printf '%s' "$*" | cksum | cut -d' ' -f1)"
}
