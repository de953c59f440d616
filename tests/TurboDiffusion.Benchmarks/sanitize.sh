#!/usr/bin/env bash
# Runs the kernels' tests, whose sizes are small, under NVIDIA's compute-sanitizer: memcheck (accesses out of bounds, misaligned),
# then racecheck (races in shared memory). Needs a GPU and the CUDA toolkit. Every class of tests is a process of its own.
#   sanitize.sh                                 the tests that 'dotnet build -c Release tests/TurboDiffusion.Tests' built
#   sanitize.sh PROGRAM [ARGUMENT ...]          the tests as PROGRAM starts them; options of xUnit follow its arguments
# TOOLS="memcheck racecheck initcheck synccheck" chooses other tools, CLASSES="CausalHeadKernelTests …" some of the classes, for several
# GPUs or another time: racecheck takes a quarter of an hour. Ends with 1 if a tool found something, or if no test of a class ran.
# The kernels of cuDNN and cuBLAS, which some plain forms run, are left out: racecheck reports hazards in cuDNN's own, and ends at one of
# them with an error of the sanitizer; it looks at the kernels of native/ alone, each named as its file.
# Racecheck does not follow what TMA and wgmma do by themselves: barriers between them and ordinary accesses are outside its sight.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not on PATH; it comes with the CUDA toolkit (…/cuda/bin)." >&2; exit 1; }
if [ $# -eq 0 ]; then
  tests=$(dirname "$here")/TurboDiffusion.Tests/bin/Release/net10.0/TurboDiffusion.Tests.dll
  [ -f "$tests" ] || { echo "There is no $tests: dotnet build -c Release tests/TurboDiffusion.Tests" >&2; exit 1; }
  set -- dotnet "$tests"
fi

export TURBODIFFUSION_KERNELS=on
# One allocation per tensor: in the allocator's pool, what lies past a tensor's end is no error.
export PYTORCH_NO_CUDA_MEMORY_CACHING=1
others=(--kernel-regex-exclude kns=xmma --kernel-regex-exclude kns=cudnn --kernel-regex-exclude kns=cutlass)
case $(compute-sanitizer --help 2>&1) in *--kernel-name\ *) named=--kernel-name ;; *) named=--kernel-regex ;; esac
mapfile -t own < <(find "$here/../../native" -name '*.cu' -printf '%f\n' | sort | sed 's/\.cu$//')
[ ${#own[@]} -gt 0 ] || { echo "There is no kernel in $here/../../native." >&2; exit 1; }
mapfile -t classes < <(if [ -n "${CLASSES:-}" ]; then printf '%s\n' $CLASSES; else
  find "$here/../TurboDiffusion.Tests" -name '*KernelTests.cs' -not -path '*/obj/*' -printf '%f\n' | sort | sed 's/\.cs$//'; fi)
[ ${#classes[@]} -gt 0 ] || { echo "There is no *KernelTests.cs in $here/../TurboDiffusion.Tests." >&2; exit 1; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
for tool in ${TOOLS:-memcheck racecheck}; do
  kernels=("${others[@]}")
  if [ "$tool" = racecheck ]; then
    kernels=()
    for kernel in "${own[@]}"; do kernels+=("$named" "kns=$kernel"); done
  fi
  for class in "${classes[@]}"; do
    echo "== $tool, $class"
    compute-sanitizer --tool "$tool" --target-processes all "${kernels[@]}" --error-exitcode 1 "$@" \
      -trait Category=Gpu -class "*.$class" -parallel none 2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || { status=1; echo "$tool found something in $class, or ended." >&2; }
    # All skipped is not all clean.
    read -r total skipped < <(sed -E 's/\x1b\[[0-9;]*m//g' "$log" | sed -nE 's/.*Total: ([0-9]+),.*Skipped: ([0-9]+),.*/\1 \2/p' | tail -n 1) || true
    if [ "${total:-0}" -le "${skipped:-0}" ]; then
      echo "$tool: no test of $class ran." >&2
      status=1
    fi
  done
done
exit "$status"
