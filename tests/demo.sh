#!/usr/bin/env bash
# `make demo`: the real daemon looks after a throwaway gateway on loopback while this script breaks things.
# No root, no systemd, nothing outside one temporary directory. Exits 0 when everything came back, so it is
# also a test.
set -euo pipefail

usage='usage: tests/demo.sh PROGRAM STAND-IN'
program=$(realpath "${1:?$usage}")
stand_in=$(realpath "${2:?$usage}")
home=$(mktemp -d "${TMPDIR:-/tmp}/picoclaw-demo.XXXXXX")
log=$home/.picoclaw/logs/ops-watchdog.log
control=$home/control   # files in here steer the stand-ins while they run
letters=$home/letters   # what the LINE stand-in received, one JSON object per line
moments=$home/moments   # when the restart command began, and when the gateway listened again
daemon='' ollama='' line='' reader=''
zero=$EPOCHREALTIME     # times are printed relative to this: the last thing that was done to the patient

if [ -t 1 ]; then COLUMNS=$(tput cols 2>/dev/null || true); fi
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' cyan=$'\e[36m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' yellow='' cyan='' plain=''
fi

# --- Leave nothing behind ----------------------------------------------------------------------------

# shellcheck disable=SC2317 # called by the trap
clean_up() {
  local gateway
  gateway=$(cat "$home/gateway.pid" 2>/dev/null || true)
  # The daemon first, or it would restart what is being taken away; it obeys within moments.
  if [ -n "$daemon" ]; then kill "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; fi
  for pid in $gateway $ollama $line $reader; do kill -9 "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  if [ -n "${KEEP:-}" ]; then echo "kept: $home"; else rm -rf "$home"; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  printf '\n%sFAILED:%s %s\n' "$red$bold" "$plain" "$*" >&2
  [ ! -s "$home/daemon.err" ] || tail -n 20 "$home/daemon.err" >&2
  exit 1
}

# --- The patients ------------------------------------------------------------------------------------

port_of() { # FILE: the port that a stand-in announced there
  local deadline=$((SECONDS + 5)) text
  while ((SECONDS < deadline)); do
    text=$(sed -nE 's/^listening on [0-9.]+:([0-9]+).*/\1/p' "$1" 2>/dev/null | head -n 1)
    if [ -n "$text" ]; then echo "$text"; return; fi
    sleep 0.02
  done
  fail "no stand-in announced itself in $1: $(cat "$1")"
}

start_ollama() { # PORT
  : >"$home/ollama.out"
  "$stand_in" ollama --port "$1" >"$home/ollama.out" 2>&1 &
  ollama=$!
  disown "$ollama" # or the shell would report that it was killed
  ollama_port=$(port_of "$home/ollama.out")
}

start_line() {
  "$stand_in" line --port 0 --record "$letters" >"$home/line.out" 2>&1 &
  line=$!
  line_port=$(port_of "$home/line.out")
}

# The ladder's action: what `systemctl restart` does for a unit. Only SIGKILL ends a stopped process.
write_restart_command() {
  cat >"$home/restart-gateway" <<SCRIPT
#!/usr/bin/env bash
set -eu
echo "command \$EPOCHREALTIME" >>"$moments"
port=\$(cat "$home/gateway.port" 2>/dev/null || echo 0)
old=\$(cat "$home/gateway.pid" 2>/dev/null || echo 0)
if [ "\$old" -gt 0 ]; then
  kill -9 "\$old" 2>/dev/null || true
  # Its port is free only once it is gone, which a busy machine takes its time for.
  for _ in {1..100}; do kill -0 "\$old" 2>/dev/null || break; sleep 0.01; done
fi
: >"$home/gateway.out"
# A session of its own: it must outlive the command that starts it.
setsid "$stand_in" gateway --generation g1 --webhook-port none --port "\$port" --bind-failure exit \\
  --control "$control" </dev/null >"$home/gateway.out" 2>&1 &
echo \$! >"$home/gateway.pid"
for _ in {1..200}; do
  if grep -q '^listening on' "$home/gateway.out"; then
    echo "up \$EPOCHREALTIME" >>"$moments"
    echo "gateway started, pid \$(cat "$home/gateway.pid")"
    exit 0
  fi
  sleep 0.02
done
echo "the gateway does not listen: \$(tail -n 1 "$home/gateway.out")" >&2
exit 1
SCRIPT
  chmod +x "$home/restart-gateway"
}

# Everything quicker than in real life, where a cycle takes a minute; the rules are the same.
write_config() {
  cat >"$home/demo.toml" <<TOML
interval = "2s"
reprobe = "250ms"

[log]
timezone = ""

[line]
to = "U0123456789abcdef0123456789abcdef"
token = "a-token-that-you-will-see-nowhere"
endpoint = "http://127.0.0.1:$line_port/v2/bot/message/push"

[[target]]
name = "gateway"
ladder = [{ action = "restart-gateway", tries = 3 }]
backoff = ["0s", "1s", "3s"]
settle = "5s"

[[target.probe]]
name = "port"
fail_after = 2
check.port = { port = $gateway_port, timeout = "1s" }

[[target.probe]]
name = "health"
fail_after = 2
check.http = { url = "http://127.0.0.1:$gateway_port/health", expect = 200, timeout = "1s", blame = { "ollama*" = "ollama" } }

[[target.probe]]
name = "ready"
role = "readiness"
check.http = { url = "http://127.0.0.1:$gateway_port/ready", expect = 200, timeout = "1s", blame = { "ollama*" = "ollama" } }

[action.restart-gateway]
do.run = { argv = ["$home/restart-gateway"], timeout = "10s" }

[[target]]
name = "ollama"
alerts = { failing = "ollama_remote_outage" }

[[target.probe]]
name = "models"
fail_after = 3
check.http = { url = "http://127.0.0.1:$ollama_port/v1/models", expect = 200, timeout = "1s" }
TOML
  chmod 600 "$home/demo.toml"
}

become_watchdog() { # COMMAND...: nothing of this user's own configuration may reach it
  for name in "${!PICO@}"; do unset "$name"; done
  unset NOTIFY_SOCKET DBUS_SESSION_BUS_ADDRESS
  export HOME=$home XDG_RUNTIME_DIR=$home PICO_HOME=$home/.picoclaw
  exec "$program" --config "$home/demo.toml" "$@"
}

start_daemon() {
  (become_watchdog run >"$home/daemon.err" 2>&1) &
  daemon=$!
}

# --- Telling the story -------------------------------------------------------------------------------

since() { # FROM [TO]: seconds between two moments; TO is now by default
  local from=${1/./} to=${2:-$EPOCHREALTIME}
  local ms=$(((${to/./} - from + 500) / 1000))
  printf '%d.%02d' $((ms / 1000)) $((ms % 1000 / 10))
}

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

do_it() { # WORDS: says what is done to the patient, and sets the clock to zero
  printf "  %s%8s  %-9s %s%s\n" "$bold" "" "demo does" "$*" "$plain"
  zero=$EPOCHREALTIME
}

say() { # COLOUR WORD TEXT
  local width=$((${COLUMNS:-110} - 22)) first=yes part
  while IFS= read -r part; do
    if [ -n "$first" ]; then
      printf '  %+7ss  %s%-9s%s %s\n' "+$(since "$zero")" "$1" "$2" "$plain" "$part"
    else
      printf '  %8s  %-9s %s\n' '' '' "$part"
    fi
    first=
  done < <(fold -s -w "$width" <<<"$3")
}

last_letter() { # the text of the newest message that LINE received
  tail -n 1 "$letters" | sed -E 's/.*\\"text\\":\\"(.*)\\"\}\]\}".*/\1/; s/\\\\n/\n/g; s/\\\\\\"/"/g'
}

shape='^\[[^]]*\] level=([A-Z]+) target=([^ ]+) result=([^ ]+) action=([^ ]+)( id=[0-9]+)? detail="(.*)"$'

tell() { # LINE of the log: prints it for people
  [[ $1 =~ $shape ]] || { say "$dim" '?' "$1"; return; }
  local level=${BASH_REMATCH[1]} target=${BASH_REMATCH[2]} action=${BASH_REMATCH[4]} text=${BASH_REMATCH[6]}
  text=${text//\\n/ } text=${text//\\\"/\"}
  case $action in
    start) say "$green" begins "$target: $text" ;;
    none) say "$green" well "$target: $text" ;;
    end | diagnostics | alert_raised) ;; # repeats, a path in a directory that will be gone, told when sent
    detect) if [ "$level" = ERROR ]; then say "$red" detected "$target: $text"; else say "$yellow" detected "$target: $text"; fi ;;
    push_sent) say "$cyan" 'sent' "$(last_letter)" ;;
    recovered) say "$green" 'closed' "$text" ;;
    *) if [[ $text == attempt*\ done:* ]]; then say "$bold" 'done' "$text"; else say "$bold" decided "$action, $text"; fi ;;
  esac
}

follow() { # SECONDS [PATTERN]: tells the log until a line matches PATTERN; without one, until time is up
  local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000)) row left
  while left=$((deadline - ${EPOCHREALTIME/./})) && ((left > 0)); do
    kill -0 "$daemon" 2>/dev/null || fail 'the watchdog has ended'
    IFS= read -r -t "$(printf '%d.%06d' $((left / 1000000)) $((left % 1000000)))" -u 3 row || continue
    tell "$row"
    if [ $# -gt 1 ] && [[ $row =~ $2 ]]; then return; fi
  done
  [ $# -eq 1 ] || fail "waited $1 s in vain for: $2"
}

mark() { since "$zero"; } # for the summary: now, counted from the fault
moment() { # WHICH: the last such moment that the restart command noted, counted from the fault
  since "$zero" "$(sed -n "s/^$1 //p" "$moments" | tail -n 1)"
}
count() { grep -c "$1" "$2" 2>/dev/null || true; } # PATTERN FILE

gateway_pid() { cat "$home/gateway.pid"; }
well='target=gateway result=OK action=none detail="healthy; nothing to do"'

repair() { # NAME: follows one repair of the gateway and notes its times
  follow 15 'target=gateway .* action=detect'
  local noticed; noticed=$(mark)
  follow 15 "$well"
  table+=("$(printf '%-24s %8s s %8s s %8s s %8s s %8s' "$1" "$noticed" "$(moment command)" "$(moment up)" "$(mark)" \
    "$(count . "$letters")")")
}

# --- The show ----------------------------------------------------------------------------------------

mkdir -p "$control" "$(dirname "$log")"
touch "$moments" "$letters" "$log"
table=()
start_ollama 0
start_line
write_restart_command
"$home/restart-gateway" >/dev/null
gateway_port=$(port_of "$home/gateway.out")
echo "$gateway_port" >"$home/gateway.port"
: >"$moments"
write_config
exec 3< <(exec tail -n +1 -s 0.05 -F "$log" 2>/dev/null)
reader=$!

title '1. All is well'
do_it "gateway :$gateway_port, Ollama :$ollama_port and LINE :$line_port run (throwaway, on 127.0.0.1); the watchdog starts"
start_daemon
follow 10 'target=watchdog result=OK action=end'
follow 2

title '2. The gateway is killed'
do_it "kill -9 $(gateway_pid)"
kill -9 "$(gateway_pid)"
repair 'gateway killed'

title '3. The gateway hangs: its port is open, and nobody answers'
do_it "kill -STOP $(gateway_pid)"
kill -STOP "$(gateway_pid)"
repair 'gateway hangs'
restarts=$(count '^command' "$moments")

title '4. Ollama goes down: the gateway says so in /ready, and must not be restarted for it'
do_it "kill -9 $ollama (Ollama); /ready is now 503, with {\"ollama\": \"fail\"}"
touch "$control/ready-503"
kill -9 "$ollama"
follow 15 'action=push_sent'
told=$(mark)
follow 4
do_it 'Ollama starts again'
rm "$control/ready-503"
start_ollama "$ollama_port"
follow 15 'target=ollama .* action=recovered'
back=$(mark)
waiting=$(become_watchdog alerts | grep -c ' recovery .* pending' || true)
say "$cyan" waits 'the message about its end: within a minute of another one it waits for company, so that a burst is one push'

# --- What it came to ---------------------------------------------------------------------------------

title 'Summary'
printf '  %-24s %10s %10s %10s %10s %8s\n' '' 'noticed' 'restarted' 'listening' 'proven' 'messages'
printf '  %s\n' "${table[@]}"
idle_restarts=$(($(count '^command' "$moments") - restarts))
messages=$(count '"accepted":true' "$letters")
printf '  Ollama down: a message on LINE after %s s; its return proven after %s s; restarts of the gateway: %s\n' \
  "$told" "$back" "$idle_restarts"
printf '  Resident memory of the watchdog: %s MB%s\n' \
  "$(awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$daemon/status")" \
  "$([[ $program == */release/* ]] || echo ' (a debug build; the release build needs less)')"
if [ -n "$(last_letter | grep -F 'a-token' || true)" ] || grep -qF 'a-token' "$log"; then fail 'the token was printed'; fi
[ "$restarts" -eq 2 ] || fail "two faults should have led to two restarts, not $restarts"
[ "$idle_restarts" -eq 0 ] || fail 'the gateway was restarted because Ollama was down'
[ "$messages" -eq 1 ] || fail "LINE should have received one message, not $messages"
[ "$waiting" -eq 1 ] || fail "the message about the end of it should be waiting: $(become_watchdog alerts)"
printf '\n%sEverything came back.%s In real life a look at everything takes place every 60 s, a suspect is looked at\n' "$green$bold" "$plain"
printf 'again after 2 s, and systemd reports a death at once. Next: README.md, "Installation".\n'
