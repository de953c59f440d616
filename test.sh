#!/usr/bin/env bash
# Builds everything and runs every test: ./test.sh [options of 'dotnet test']. Installs what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
.ci/install-missing ffmpeg unzip chromium redis-server g++

# Test classes run in parallel already; one compute thread each keeps them out of one another's way.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
dotnet build TurboDiffusion.Extensions.sln -v quiet --nologo
# In a shell's background SIGINT is ignored, and would be by what the tests interrupt.
env --default-signal=INT dotnet test --solution TurboDiffusion.Extensions.sln --no-build --max-parallel-test-modules 1 "$@"
# A choice of tests runs those alone; the whole run also uses the packages as somebody else would.
[ $# -gt 0 ] || tests/PackageConsumer/run.sh
