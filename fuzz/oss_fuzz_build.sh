#!/usr/bin/env bash
# What OSS-Fuzz and ClusterFuzzLite need of the fuzz targets, in $OUT: each program with its seeds, dictionary and
# options. Both run it in their image by their build.sh, fuzz/oss_fuzz_check.py without one. From the environment: SRC, where
# the repository is as volact; OUT; WORK, for what is only needed meanwhile.
set -euo pipefail

: "${SRC:?}" "${OUT:?}" "${WORK:?}"
# Seconds for one input, and MiB of memory: what .ci/run allows.
readonly TIMEOUT=10 MEMORY=2048

cd "$SRC/volact"
# In their image `cargo` is a wrapper that turns this line into a coverage build where SANITIZER says so. It takes
# every `cargo fuzz` for one, and none with a +TOOLCHAIN: so targets are listed otherwise below, and the toolchain is
# the environment's.
cargo fuzz build -O --debug-assertions
binaries="${CARGO_TARGET_DIR:-fuzz/target}/x86_64-unknown-linux-gnu/release"

# The power of two that leaves an input room to become twice as long as the longest seed, at least 4 KiB.
max_len() {
    local longest size=4096
    longest="$(find "$1" -type f -printf '%s\n' | sort -n | tail -n 1)"
    while ((size < 2 * ${longest:-0})); do size=$((2 * size)); done
    echo "$size"
}

for source in fuzz/fuzz_targets/*.rs; do
    target="$(basename "$source" .rs)"
    cp "$binaries/$target" "$OUT/"

    # Flat, because not all that unpack it keep folders.
    seeds="$WORK/seeds/$target"
    rm -rf "$seeds" "$OUT/${target}_seed_corpus.zip"
    mkdir -p "$seeds"
    for seed in "corpus/$target"/*; do cp "$seed" "$seeds/"; done
    for seed in "corpus/regressions/$target"/*; do
        if [[ -f "$seed" ]]; then cp "$seed" "$seeds/regression.$(basename "$seed")"; fi
    done
    (cd "$seeds" && find . -type f | LC_ALL=C sort | zip -q -X "$OUT/${target}_seed_corpus.zip" -@)

    {
        echo "[libfuzzer]"
        echo "max_len = $(max_len "$seeds")"
        echo "timeout = $TIMEOUT"
        echo "rss_limit_mb = $MEMORY"
        if [[ -f "fuzz/dictionaries/$target.dict" ]]; then echo "dict = $target.dict"; fi
    } >"$OUT/$target.options"
    if [[ -f "fuzz/dictionaries/$target.dict" ]]; then cp "fuzz/dictionaries/$target.dict" "$OUT/"; fi
done
