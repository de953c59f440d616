#!/usr/bin/env bash
# Builds everything and runs every test: ./test.sh [options of 'dotnet test']. Installs what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
.ci/install-missing ffmpeg unzip chromium

# Test classes run in parallel already; one compute thread each keeps them out of one another's way.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# Optimised, TorchSharp's methods let the collector free a Scalar made in passing (x * 0.5) before the native call has read it. In the first
# tier an argument lives until its method returns; without counted calls none is promoted from it.
export DOTNET_TC_CallCounting=0
dotnet build TurboDiffusion.Extensions.sln -v quiet --nologo
dotnet test --solution TurboDiffusion.Extensions.sln --no-build --max-parallel-test-modules 1 "$@"
# A choice of tests runs those alone; the whole run also uses the packages as somebody else would.
[ $# -gt 0 ] || tests/PackageConsumer/run.sh
