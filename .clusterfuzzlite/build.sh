#!/bin/bash -eu
exec "$SRC/volact/fuzz/oss_fuzz_build.sh"
