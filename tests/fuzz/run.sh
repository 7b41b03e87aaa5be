#!/usr/bin/env bash
# Runs every fuzz target for a bounded time, from the committed seeds. What is found along the way is kept in
# target/fuzz: the corpus, which the next run goes on from, and the inputs that broke something.
#
#   tests/fuzz/run.sh [SECONDS-PER-TARGET [TARGET...]]    60 s each, and all of them, by default
set -euo pipefail
cd "$(dirname "$0")/../.."

TIME=${1:-60}
shift || true
HERE=tests/fuzz
OUT=${CARGO_TARGET_DIR:-target}/fuzz
# The largest input worth trying: a few times the largest seed. Bytes.
MAX_LEN=16384

HOST=$(rustc -vV | sed -n 's/^host: //p')
BUILT=$OUT/build/$HOST/release

# Every branch is counted and every comparison is told to libFuzzer, as under cargo-fuzz. Without the address
# sanitizer, which finds little in a program that forbids unsafe code, the stable compiler can do it.
COVERAGE='--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1'
for option in level=4 inline-8bit-counters pc-table trace-compares; do
  COVERAGE+=" -Cllvm-args=-sanitizer-coverage-$option"
done
if ! command -v c++ >/dev/null; then
  echo 'libFuzzer is built from C++, and there is no compiler. Run: apt-get install g++' >&2
  exit 2
fi

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(sed -nE '/^\[\[bin/,/^$/s/^name = "(.*)"/\1/p' "$HERE/Cargo.toml")
RUSTFLAGS=$COVERAGE cargo build --release --locked --manifest-path "$HERE/Cargo.toml" --target-dir "$OUT/build" --target "$HOST"

failed=()
for target in "${targets[@]}"; do
  corpus=$OUT/corpus/$target found=$OUT/artifacts/$target
  mkdir -p "$corpus" "$found"
  seeds=("$HERE/seeds/$target")
  # The files of the configuration tests are seeds as they are.
  [ "$target" != configuration ] || seeds=(tests/fixtures/config config)
  [ "$target" != error_patterns ] || seeds+=(tests/fixtures/mirai)
  [ "$target" != scenario ] || seeds=(config/scenarios)
  echo "== $target, $TIME s"
  # Slower than 10 s, or larger than 1 GB, is a finding as well.
  code=0
  "$BUILT/$target" "$corpus" "${seeds[@]}" -max_total_time="$TIME" -max_len=$MAX_LEN -timeout=10 -rss_limit_mb=1024 \
    -artifact_prefix="$found/" -print_final_stats=1 -verbosity=0 2> "$OUT/$target.log" || code=$?
  grep -aE '^(stat::(number|new|peak)|thread|assertion|SUMMARY|ALARM)|panicked' "$OUT/$target.log" || true
  if [ $code -ne 0 ]; then
    failed+=("$target")
    echo "   the input is in $found; see it again with: $BUILT/$target $found/FILE"
  fi
done
[ ${#failed[@]} -eq 0 ] || { echo "Broken: ${failed[*]}" >&2; exit 1; }
echo "All of ${targets[*]} withstood $TIME s each."
