#!/usr/bin/env bash
# Builds everything and runs every test: ./test.sh [options of 'dotnet test']. Installs what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source .ci/prerequisites.sh

# Test classes run in parallel already; one compute thread each keeps them out of one another's way.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
dotnet build TurboDiffusion.Extensions.sln -v quiet --nologo
exec dotnet test --solution TurboDiffusion.Extensions.sln --no-build --max-parallel-test-modules 1 "$@"
