#!/usr/bin/env bash
# Mutation testing of the pure core, src/recovery: every small fault planted in it must make a test fail.
#
# The whole program takes a minute to build for each of some hundred mutants. The core needs nothing of it, so this
# puts together a small crate of the core, the simulation and their tests (copies, below target/), and tests that. The
# tests become modules of it, so that a mutant costs one compilation and one link instead of four.
#
#   tests/mutants.sh [FILE...]    only these files of src/recovery, such as gate.rs; all by default
#   ONLY='in outlives' tests/mutants.sh health.rs    only mutants whose name matches: those that were missed, once more
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests of the core. What they import decides which modules and crates come along.
TESTS=(stories policy alerts telling texts)
CRATE=${CARGO_TARGET_DIR:-target}/mutants-crate
JOBS=${JOBS:-2}

if ! cargo mutants --version >/dev/null 2>&1; then
  echo 'cargo-mutants is not installed. Run: cargo install cargo-mutants --locked' >&2
  exit 2
fi

# Copies a module or a test: a file, a folder, or both.
bring() {
  local path
  for path in "$1" "$1.rs"; do [ ! -e "$path" ] || cp -r "$path" "$2"; done
}
# The modules of ours that the files below a folder name.
named_in() { grep -rhoE '\b(crate|picoclaw_watchdog)::[a-z_]+' "$1" | sed 's/.*:://' | sort -u; }
# The lines of a section of the manifest whose crates the files below these folders use.
used() {
  local section=$1 name line
  shift
  sed -n "/^\[$section\]/,/^\$/p" Cargo.toml | grep -E '^[a-z]' | while read -r line; do
    name=${line%% *}
    if grep -rqE "\b${name//-/_}::" "$@"; then echo "$line"; fi
  done
}

rm -rf "$CRATE/src" "$CRATE/tests"
mkdir -p "$CRATE/src" "$CRATE/tests"
bring tests/core "$CRATE/tests"
for test in "${TESTS[@]}"; do
  bring "tests/$test" "$CRATE/tests"
  # What was the root of a crate is a module now.
  find "$CRATE/tests/$test"* -name '*.rs' -exec sed -i "s/\bcrate::/crate::$test::/g" {} +
done

mkdir -p "$CRATE/tests/golden" && cp -r tests/golden/texts "$CRATE/tests/golden/"

# Modules bring modules, until none is missing.
modules=() wanted=(recovery)
while [ ${#wanted[@]} -gt 0 ]; do
  for module in "${wanted[@]}"; do bring "src/$module" "$CRATE/src"; done
  modules+=("${wanted[@]}")
  mapfile -t wanted < <(sort -u <(named_in "$CRATE/src") <(named_in "$CRATE/tests") \
    | grep -vxF "$(printf '%s\n' "${modules[@]}")" \
    | while read -r name; do if [ -e "src/$name" ] || [ -e "src/$name.rs" ]; then echo "$name"; fi; done)
done
{
  echo '//! The core alone, put together by tests/mutants.sh.'
  printf 'pub mod %s;\n' "${modules[@]}"
  echo '#[cfg(test)] extern crate self as picoclaw_watchdog;'
  for test in "${TESTS[@]}"; do
    file=tests/$test.rs
    [ -e "$CRATE/$file" ] || file=tests/$test/main.rs
    printf '#[cfg(test)] #[path = "../%s"] mod %s;\n' "$file" "$test"
  done
} > "$CRATE/src/lib.rs"
{
  printf '[package]\nname = "picoclaw-watchdog"\nversion = "0.0.0"\nedition = "2024"\npublish = false\nautotests = false\n'
  printf '[lib]\ndoctest = false\n'
  printf '[workspace]\n[profile.dev]\nopt-level = 0\ndebug = false\n'
  printf '[dependencies]\n'
  used dependencies "$CRATE/src" "$CRATE/tests"
  printf '[dev-dependencies]\n'
  used dev-dependencies "$CRATE/src" "$CRATE/tests"
} > "$CRATE/Cargo.toml"
# The versions that the program is built with.
cp Cargo.lock "$CRATE/"

files=()
for file in "${@:-**}"; do files+=(--file "src/recovery/$file"); done
[ -z "${ONLY:-}" ] || files+=(--re "$ONLY")
# What was missed is said below: codes 2 and 3 (missed, timed out) do not end the script here. A mutant that makes the
# virtual clock stand still would run for ever; five times what the tests take is enough on a busy machine, too.
mutate() {
  local status=0
  cargo mutants --dir "$CRATE" --output "$CRATE" "${files[@]}" --jobs "$JOBS" --minimum-test-timeout 20 \
    --no-shuffle --colors never "$@" || status=$?
  [ "$status" -le 3 ] && [ "$status" -ne 1 ] || exit "$status"
}
rm -rf "$CRATE"/mutants.out*
# The tests of the other modules say nothing about the core.
mutate -- --lib -- recovery:: "${TESTS[@]/%/::}"

OUT=$CRATE/mutants.out
echo
printf '%-16s %7s %7s %8s %8s\n' file caught missed timeout percent
# A mutant that runs for ever is caught by the timeout; one that does not compile says nothing.
awk -F: '
  { file = $1; sub(".*/", "", file); kind = FILENAME; sub(".*/", "", kind); n[file, kind]++; seen[file] }
  function row(name, c, m, t) { return sprintf("%-16s %7d %7d %8d %7.1f%%", name, c, m, t, 100 * (c + t) / (c + m + t)) }
  END {
    for (file in seen) {
      c = n[file, "caught.txt"]; m = n[file, "missed.txt"]; t = n[file, "timeout.txt"]
      print row(file, c, m, t) | "sort"; C += c; M += m; T += t
    }
    close("sort")
    if (C + M + T) print row("all", C, M, T)
  }' "$OUT/caught.txt" "$OUT/missed.txt" "$OUT/timeout.txt"
if [ -s "$OUT/missed.txt" ]; then
  printf '\nMissed:\n'
  cat "$OUT/missed.txt"
fi
